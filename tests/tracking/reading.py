"""What stands in W&B's files of a run, as plain data."""

import json

from lagbench.tracking.sync import records


class Read:
    """One run, read from its file record by record."""

    def __init__(self, file):
        self.file, self.records = file, list(records(file))
        runs = [record.run for record in self.records if record.HasField("run")]
        self.run = runs[-1]
        self.config = {
            item.key: json.loads(item.value_json) for run in runs for item in run.config.update
        }
        self.notes = self.run.notes
        self.exits = [one.exit.exit_code for one in self.records if one.HasField("exit")]

    @property
    def history(self):
        """The rows that were logged."""
        return [_items(one.history.item) for one in self.records if one.HasField("history")]

    def rows(self, name):
        """The rows that have such a value."""
        return [row for row in self.history if name in row]

    @property
    def summary(self):
        """The last value of everything."""
        found = {}
        for one in self.records:
            if one.HasField("history"):
                found |= _items(one.history.item)
            if one.HasField("summary"):
                found |= _items(one.summary.update)
        return found

    @property
    def axes(self):
        """What each metric is drawn against."""
        metrics = [one.metric for one in self.records if one.HasField("metric")]
        return {metric.name or metric.glob_name: metric.step_metric for metric in metrics}


def _items(items):
    return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}
