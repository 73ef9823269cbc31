"""Messages a second over the last minutes."""

from nicegui import ui

from stream_app.dashboard import charts
from stream_app.dashboard.view import View, card


class RatesPanel:
    """Two lines."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._shown: dict[str, list[tuple[int, float]]] = {}
        with card("rates", view.words("rates"), view.words("rates_note")):
            self._chart = ui.echart({}, renderer="svg").classes("chart low")

    def refresh(self, now: float) -> None:
        """Draw again when a step has ended."""
        lines = self._view.summary(now).lines
        if lines != self._shown:
            self._shown = lines
            self._chart.options.update(charts.rates(lines, self._view.words))
            self._chart.update()
