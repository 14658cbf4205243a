"""The report as a browser prints it."""

import os
import re
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from ecgstore.reports import page
from ecgstore.reports.data_set import DataSetCard

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--no-pdf-header-footer",
    "--generate-pdf-document-outline",
)


@pytest.fixture
def printed(sample_card: DataSetCard, tmp_path: Path) -> bytes:
    """Return the card as a PDF; skip where there is no browser."""
    chromium = shutil.which("chromium")
    if chromium is None:
        missing = "no chromium on this machine"
        if os.environ.get("ECGSTORE_NEEDS_BROWSER"):  # set by continuous integration
            pytest.fail(missing)
        pytest.skip(missing)
    report, pdf = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write(report, sample_card.report)
    subprocess.run(
        [
            chromium,
            *_ARGUMENTS,
            f"--user-data-dir={tmp_path / 'browser'}",
            f"--print-to-pdf={pdf}",
            report.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return pdf.read_bytes()


def outline(pdf: bytes) -> list[str]:
    """Return the titles of the headings in a PDF's outline."""
    objects = [pdf]
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            objects.append(zlib.decompress(stream))
        except zlib.error:
            continue  # a picture or a font
    found = re.findall(rb"/Title\s*\(((?:[^()\\]|\\.)*)\)", b"\n".join(objects))
    return [title.decode("latin-1") for title in found]


def test_the_card_is_printed_with_all_of_its_headings(
    printed: bytes, sample_card: DataSetCard
) -> None:
    n_pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert 5 < n_pages < 60
    titles = outline(printed)
    for section in sample_card.report.sections:
        assert section.title in titles
