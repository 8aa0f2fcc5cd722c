from lissome.core.progress import Silent, track


class Recorder:
    def __init__(self):
        self.heard = []

    def advance(self, task, done, total):
        self.heard.append((task, done, total))

    def say(self, message):
        self.heard.append(message)


def test_the_watcher_hears_of_the_start_and_of_each_item():
    watcher = Recorder()
    assert list(track("ab", watcher, "letters", 2)) == ["a", "b"]
    assert watcher.heard == [("letters", 0, 2), ("letters", 1, 2), ("letters", 2, 2)]


def test_an_item_counts_when_it_is_done_with_and_not_when_it_begins():
    watcher = Recorder()
    items = track("ab", watcher, "letters")
    next(items)
    assert watcher.heard[-1] == ("letters", 0, None)


def test_the_default_watcher_says_nothing(capsys):
    Silent().advance("task", 1, 2)
    Silent().say("hello")
    assert capsys.readouterr() == ("", "")
