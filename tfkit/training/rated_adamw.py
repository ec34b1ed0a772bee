"""AdamW with a learning rate of its own for each variable."""

from __future__ import annotations

from collections.abc import Mapping

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfkit")
class RatedAdamW(keras.optimizers.AdamW):
    """AdamW in which a variable's learning rate, its decay's too, has a factor of its own.

    Args:
        learning_rate: of variables whose factor is 1.
        rates: factor by the path of a variable; 1 for those left out.
        **options: of `keras.optimizers.AdamW`.
    """

    def __init__(self, learning_rate=0.001, *, rates: Mapping[str, float], **options):
        super().__init__(learning_rate, **options)
        self.rates = dict(rates)

    def build(self, variables):
        super().build(variables)
        self._rates = [self.rates.get(variable.path, 1.0) for variable in variables]

    def _apply_weight_decay(self, variables):
        """Nothing: `update_step` does it, since it depends on the variable's rate."""

    def update_step(self, gradient, variable, learning_rate):
        rate = ops.cast(learning_rate, variable.dtype)
        rate = rate * self._rates[self._get_variable_index(variable)]
        if self._use_weight_decay(variable):
            self.assign_sub(variable, variable * self.weight_decay * rate)
        super().update_step(gradient, variable, rate)

    def get_config(self):
        return {**super().get_config(), "rates": self.rates}
