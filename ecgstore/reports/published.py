"""What is known of the databases that ECGs come from: names, licences, how to cite.

A licence stands here only if it was found stated for the publication meant.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_CC_BY: Final = ("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/")
_ODC_BY: Final = ("ODC-By 1.0", "https://opendatacommons.org/licenses/by/1-0/")
_ODBL: Final = ("ODbL 1.0", "https://opendatacommons.org/licenses/odbl/1-0/")
_UNKNOWN: Final = ("", "")

UNKNOWN: Final = "unknown"
"""What a report says where no licence is known."""

_CHALLENGE_2020: Final = "the collection of the PhysioNet/CinC Challenge 2020"
_CHALLENGE_2021: Final = "the collection of the PhysioNet/CinC Challenge 2021"


@dataclass(frozen=True, slots=True)
class Database:
    """A published database.

    Attributes
    ----------
    title : str
        Its name.
    licence, licence_url : str
        The licence under which it is published, and where that can be read; empty where
        ecgstore does not know it.
    published_in : str
        What has this licence, as a copy from elsewhere may have another one.
    url : str
        Where it is published.
    citation : str
        What its publishers ask to cite.
    stated_at : str
        Where the licence of this publication was found stated; empty if nowhere.
    """

    title: str
    licence: str
    licence_url: str
    published_in: str
    url: str
    citation: str
    stated_at: str


_PEREZ_ALDAY: Final = (
    "Perez Alday EA et al. Classification of 12-lead ECGs: the PhysioNet/Computing in "
    "Cardiology Challenge 2020. Physiol Meas 2020; 41:124003. "
    "https://doi.org/10.1088/1361-6579/abc960"
)
_REYNA: Final = (
    "Reyna MA et al. Will two do? Varying dimensions in electrocardiography: the "
    "PhysioNet/Computing in Cardiology Challenge 2021. Computing in Cardiology 2021; "
    "48. https://doi.org/10.23919/CinC53138.2021.9662687"
)
_LIU: Final = (
    "Liu F et al. An open access database for evaluating the algorithms of "
    "electrocardiogram rhythm and morphology abnormality detection. J Med Imaging "
    "Health Inform 2018; 8:1368-1373. https://doi.org/10.1166/jmihi.2018.2442"
)
_ZHENG_CHAPMAN: Final = (
    "Zheng J et al. A 12-lead electrocardiogram database for arrhythmia research "
    "covering more than 10,000 patients. Sci Data 2020; 7:48. "
    "https://doi.org/10.1038/s41597-020-0386-x"
)
_ZHENG_NINGBO: Final = (
    "Zheng J et al. Optimal multi-stage arrhythmia classification approach. Sci Rep "
    "2020; 10. https://doi.org/10.1038/s41598-020-59821-7"
)
_URL_2020: Final = "https://physionet.org/content/challenge-2020/"
_URL_2021: Final = "https://physionet.org/content/challenge-2021/"
_STATED_2020: Final = "https://physionet.org/content/challenge-2020/view-license/1.0.2/"
_STATED_2021: Final = (
    "https://physionet.org/content/challenge-2021/1.0.3/; the same records have it in "
    "https://physionet.org/content/ecg-arrhythmia/view-license/1.0.0/ too"
)

DATABASES: Final[Mapping[str, Database]] = {
    "cpsc_2018": Database(
        "China Physiological Signal Challenge 2018",
        *_CC_BY,
        _CHALLENGE_2020,
        _URL_2020,
        _LIU,
        _STATED_2020,
    ),
    "cpsc_2018_extra": Database(
        "China Physiological Signal Challenge 2018, unused data",
        *_CC_BY,
        _CHALLENGE_2020,
        _URL_2020,
        _LIU,
        _STATED_2020,
    ),
    "st_petersburg_incart": Database(
        "St Petersburg INCART 12-lead Arrhythmia Database",
        *_CC_BY,
        _CHALLENGE_2020,
        _URL_2020,
        _PEREZ_ALDAY,
        _STATED_2020,
    ),
    "ptb": Database(
        "PTB Diagnostic ECG Database",
        *_CC_BY,
        _CHALLENGE_2020,
        _URL_2020,
        "Bousseljot R, Kreiseler D, Schnabel A. Nutzung der EKG-Signaldatenbank "
        "CARDIODAT der PTB über das Internet. Biomed Tech 1995; 40(s1):317-318. "
        "https://doi.org/10.1515/bmte.1995.40.s1.317",
        _STATED_2020,
    ),
    "ptb-xl": Database(
        "PTB-XL",
        *_CC_BY,
        "PTB-XL on PhysioNet",
        "https://physionet.org/content/ptb-xl/",
        "Wagner P et al. PTB-XL, a large publicly available electrocardiography "
        "dataset. Sci Data 2020; 7:154. https://doi.org/10.1038/s41597-020-0495-6",
        "https://physionet.org/content/ptb-xl/view-license/1.0.3/",
    ),
    "georgia": Database(
        "Georgia 12-lead ECG Challenge Database",
        *_CC_BY,
        _CHALLENGE_2020,
        _URL_2020,
        _PEREZ_ALDAY,
        _STATED_2020,
    ),
    "chapman_shaoxing": Database(
        "Chapman-Shaoxing Database",
        *_CC_BY,
        _CHALLENGE_2021,
        _URL_2021,
        f"{_REYNA} {_ZHENG_CHAPMAN}",
        _STATED_2021,
    ),
    "ningbo": Database(
        "Ningbo Database",
        *_CC_BY,
        _CHALLENGE_2021,
        _URL_2021,
        f"{_REYNA} {_ZHENG_NINGBO}",
        _STATED_2021,
    ),
    "ludb": Database(
        "Lobachevsky University Electrocardiography Database",
        *_ODC_BY,
        "LUDB 1.0.1 on PhysioNet",
        "https://physionet.org/content/ludb/",
        "Kalyakulina AI et al. LUDB: a new open-access validation tool for "
        "electrocardiogram delineation algorithms. IEEE Access 2020. "
        "https://doi.org/10.1109/ACCESS.2020.3029211",
        "LICENSE.txt among its files",
    ),
    "qtdb": Database(
        "QT Database",
        *_ODC_BY,
        "the QT Database 1.0.0 on PhysioNet",
        "https://physionet.org/content/qtdb/",
        "Laguna P et al. A database for evaluation of algorithms for measurement of QT "
        "and other waveform intervals in the ECG. Computers in Cardiology 1997; "
        "24:673-676.",
        "https://physionet.org/content/qtdb/view-license/1.0.0/",
    ),
    "mimic-iv-ecg": Database(
        "MIMIC-IV-ECG",
        *_ODBL,
        "MIMIC-IV-ECG 1.0 on PhysioNet",
        "https://physionet.org/content/mimic-iv-ecg/",
        "Gow B et al. MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset "
        "(version 1.0). PhysioNet 2023. https://doi.org/10.13026/4nqg-sb35",
        "https://physionet.org/content/mimic-iv-ecg/view-license/1.0/",
    ),
    "code15": Database(
        "CODE-15 %",
        *_CC_BY,
        "CODE-15 % on Zenodo",
        "https://zenodo.org/records/4916206",
        "Ribeiro AH et al. CODE-15 %: a large scale annotated dataset of 12-lead ECGs. "
        "Zenodo 2021. https://doi.org/10.5281/zenodo.4916206",
        "https://zenodo.org/records/4916206",
    ),
    "sami-trop": Database(
        "SaMi-Trop",
        *_UNKNOWN,
        "SaMi-Trop on Zenodo",
        "https://zenodo.org/records/4905618",
        "Cardoso CS et al. Longitudinal study of patients with chronic Chagas "
        "cardiomyopathy in Brazil (SaMi-Trop project): a cohort profile. BMJ Open "
        "2016; 6:e011181. https://doi.org/10.1136/bmjopen-2016-011181",
        "",
    ),
}
"""The databases that `ecgstore.sources.origin` knows, by source."""


def licence_of(source: str) -> str:
    """Return the licence of a source, "unknown" where ecgstore knows none.

    Examples
    --------
    >>> licence_of("ptb-xl"), licence_of("sami-trop"), licence_of("our hospital")
    ('CC BY 4.0', 'unknown', 'unknown')
    """
    known = DATABASES.get(source)
    return known.licence if known is not None and known.licence else UNKNOWN


@dataclass(frozen=True, slots=True)
class Publication:
    """What only the publisher of a data set can say; empty where nothing is said.

    Attributes
    ----------
    name, description : str
        What the data set is called, and what it is.
    licence : str
        Its licence, best as an SPDX identifier such as ``"CC-BY-4.0"``.
    url : str
        Where it is published.
    citation : str
        How to cite it.
    date : str
        Date of its publication, as ``"2026-01-31"``.
    """

    name: str = ""
    description: str = ""
    licence: str = ""
    url: str = ""
    citation: str = ""
    date: str = ""
