"""Counts what agrees, and holds each difference against what is argued in decisions.py."""

import re
import sys

from . import decisions


class Suite:
    def __init__(self, title):
        self.title, self.cases, self.differences = title, 0, []
        self.argued, self.used = decisions.ARGUED.get(title, []), {}

    def check(self, name, expected, actual):
        self.cases += 1
        if expected != actual:
            self.differences.append((name, expected, actual, self.reason(name, expected, actual)))

    def agree(self, cases):
        """So many more are the same."""
        self.cases += cases

    def reason(self, name, expected, actual):
        """Each argument is for cases by their names and by what was expected, or came, if that matters."""
        for argument in self.argued:
            texts = zip(argument["of"], (name, repr(expected), repr(actual)))
            if all(re.search(pattern, text, re.DOTALL) for pattern, text in texts):
                self.used[argument["why"]] = self.used.get(argument["why"], 0) + 1
                # One that is for many is for no more than were looked at.
                return argument["why"] if self.used[argument["why"]] <= argument.get("most", sys.maxsize) else None
        return None


class Suites:
    def __init__(self):
        self.all = {}

    def suite(self, title):
        return self.all.setdefault(title, Suite(title))

    def show(self, verbose):
        """Prints the table and every difference; whether all are argued."""
        shorten = lambda value: value if len(value := repr(value)) <= 160 else value[:157] + "..."
        width = max(len(title) for title in self.all)
        print(f"{'suite'.ljust(width)}  cases  agree  differ, argued  differ")
        for suite in self.all.values():
            argued = sum(1 for *_, reason in suite.differences if reason)
            agree, differ = suite.cases - len(suite.differences), len(suite.differences) - argued
            print(f"{suite.title.ljust(width)} {suite.cases:6} {agree:6} {argued:15} {differ:7}")
        for suite in self.all.values():
            reasons = {}
            for name, expected, actual, reason in suite.differences:
                reasons.setdefault(reason, []).append((name, expected, actual))
            for reason, cases in reasons.items():
                print(f"\n{suite.title}: {len(cases)} {'argued: ' + reason if reason else 'NOT ARGUED'}")
                for name, expected, actual in cases if verbose or not reason else cases[:3]:
                    print(f"  {name}\n    there {shorten(expected)}\n    here  {shorten(actual)}")
        empty = [suite.title for suite in self.all.values() if not suite.cases]
        if empty:
            print(f"\nNothing was run of: {', '.join(empty)}")
        return not empty and all(reason for suite in self.all.values() for *_, reason in suite.differences)
