"""The parts of the page's report: what each of them measures, and what they share."""
