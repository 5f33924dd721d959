"""Progress lines and bars show epochs, accuracy and loss."""

import io

from kerasnn.training import EpochBar, EpochLines


def test_lines_are_those_of_the_lesson():
    lines = []
    report = EpochLines(500, every=100, write=lines.append)
    for epoch in range(500):
        report(epoch, {"loss": 0.0312, "accuracy": 0.9, "val_accuracy": 0.97})
    assert [line.split("/")[0] for line in lines] == [
        "Epoch [1",
        *(f"Epoch [{n}" for n in (100, 200, 300, 400, 500)),
    ]
    assert lines[1] == "Epoch [100/500], Accuracy: [0.97], Loss: [0.0312]"


def test_lines_without_accuracy_or_validation_rows():
    report = EpochLines(3, every=1, write=print)
    assert report.line(0, {"loss": 0.5}) == "Epoch [1/3], Loss: [0.5000]"
    assert report.line(1, {"loss": 0.5, "accuracy": 0.25}) == (
        "Epoch [2/3], Accuracy: [0.25], Loss: [0.5000]"
    )


def test_the_bar_counts_epochs_and_shows_loss_and_accuracy(monkeypatch):
    output = io.StringIO()
    output.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", output)
    monkeypatch.setenv("NO_COLOR", "1")
    with EpochBar(2) as bar:
        bar(0, {"loss": 0.5, "accuracy": 0.1, "val_accuracy": 0.2})
        bar(1, {"loss": 0.25, "accuracy": 0.3, "val_accuracy": 0.75})
    last = output.getvalue().rsplit("Training", 1)[1]
    assert " 2/2 epochs  loss 0.2500, accuracy 0.7500" in last


def test_no_bar_is_drawn_without_a_terminal(capsys):
    with EpochBar(2) as bar:
        bar(0, {"loss": 0.5})
    assert capsys.readouterr() == ("", "")
