"""One's own cameras as inputs of an inferencer, in few words."""


def predict_own(
    inferencer,
    images,
    intrinsics,
    extrinsics,
    ego_state=None,
    past_actions=(),
    questions=None,
    return_datasample=False,
    **more,
):
    """Predict one frame of one's own cameras."""
    inputs = dict(
        images=images,
        intrinsics=intrinsics,
        extrinsics=extrinsics,
        ego_state=ego_state,
        past_actions=past_actions,
        **more,
    )
    results = inferencer(
        inputs, return_datasamples=return_datasample, questions=questions
    )
    [prediction] = results['predictions']
    return prediction
