from mmocc.projects.SparseOccVLA.sparseoccvla.forecast.occ_forecaster import (
    Forecast,
    OccForecaster,
)

__all__ = ['Forecast', 'OccForecaster']
