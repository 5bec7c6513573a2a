from mmocc.models.forecasters.occ_forecaster import Forecast, OccForecaster

__all__ = ['Forecast', 'OccForecaster']
