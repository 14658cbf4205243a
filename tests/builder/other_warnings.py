"""The warnings of a report apart from those of classes without records."""

from ecgstore.builder.report import ScanReport


def other_warnings(report: ScanReport) -> list[str]:
    """Leave out the warning of empty classes, which few written records give always."""
    return [text for text in report.warnings if "no record has class" not in text]
