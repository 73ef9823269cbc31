"""A list to choose from, of many choices."""

from nicegui import ui


class Select(ui.select):
    """Sends its choices as they are. NiceGUI's own watches each for changes, which nobody makes:
    0.1 ms of the event loop a choice, for each open page."""

    def _update_options(self) -> None:
        # As NiceGUI does it but for the tuple, which it does not look into.
        chosen = self.value
        choices = ({"value": number, "label": label} for number, label in enumerate(self._labels))
        self._props["options"] = tuple(choices)
        self._props[self.VALUE_PROP] = self._value_to_model_value(chosen)
        self.value = chosen if chosen in self._values else None
