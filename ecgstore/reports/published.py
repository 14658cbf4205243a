"""What is known of the databases that ECGs come from: names, licences, how to cite."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_CC_BY: Final = ("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/")
_ODC_BY: Final = ("ODC-By 1.0", "https://opendatacommons.org/licenses/by/1-0/")
_ODBL: Final = ("ODbL 1.0", "https://opendatacommons.org/licenses/odbl/1-0/")

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
        The licence under which it is published, and where that can be read.
    published_in : str
        What has this licence, as a copy from elsewhere may have another one.
    url : str
        Where it is published.
    citation : str
        What its publishers ask to cite.
    """

    title: str
    licence: str
    licence_url: str
    published_in: str
    url: str
    citation: str


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
_URL_2020: Final = "https://physionet.org/content/challenge-2020/"
_URL_2021: Final = "https://physionet.org/content/challenge-2021/"

DATABASES: Final[Mapping[str, Database]] = {
    "cpsc_2018": Database(
        "China Physiological Signal Challenge 2018",
        *_CC_BY,
        _CHALLENGE_2020,
        _URL_2020,
        _LIU,
    ),
    "cpsc_2018_extra": Database(
        "China Physiological Signal Challenge 2018, unused data",
        *_CC_BY,
        _CHALLENGE_2020,
        _URL_2020,
        _LIU,
    ),
    "st_petersburg_incart": Database(
        "St Petersburg INCART 12-lead Arrhythmia Database",
        *_CC_BY,
        _CHALLENGE_2020,
        _URL_2020,
        _PEREZ_ALDAY,
    ),
    "ptb": Database(
        "PTB Diagnostic ECG Database",
        *_CC_BY,
        _CHALLENGE_2020,
        _URL_2020,
        "Bousseljot R, Kreiseler D, Schnabel A. Nutzung der EKG-Signaldatenbank "
        "CARDIODAT der PTB über das Internet. Biomed Tech 1995; 40(s1):317-318. "
        "https://doi.org/10.1515/bmte.1995.40.s1.317",
    ),
    "ptb-xl": Database(
        "PTB-XL",
        *_CC_BY,
        "PTB-XL on PhysioNet",
        "https://physionet.org/content/ptb-xl/",
        "Wagner P et al. PTB-XL, a large publicly available electrocardiography "
        "dataset. Sci Data 2020; 7:154. https://doi.org/10.1038/s41597-020-0495-6",
    ),
    "georgia": Database(
        "Georgia 12-lead ECG Challenge Database",
        *_CC_BY,
        _CHALLENGE_2020,
        _URL_2020,
        _PEREZ_ALDAY,
    ),
    "chapman_shaoxing": Database(
        "Chapman-Shaoxing Database",
        *_CC_BY,
        _CHALLENGE_2021,
        _URL_2021,
        _REYNA,
    ),
    "ningbo": Database("Ningbo Database", *_CC_BY, _CHALLENGE_2021, _URL_2021, _REYNA),
    "ludb": Database(
        "Lobachevsky University Electrocardiography Database",
        *_ODC_BY,
        "LUDB 1.0.1 on PhysioNet",
        "https://physionet.org/content/ludb/",
        "Kalyakulina AI et al. LUDB: a new open-access validation tool for "
        "electrocardiogram delineation algorithms. IEEE Access 2020; 8:186181-186190.",
    ),
    "qtdb": Database(
        "QT Database",
        *_ODC_BY,
        "the QT Database 1.0.0 on PhysioNet",
        "https://physionet.org/content/qtdb/",
        "Laguna P et al. A database for evaluation of algorithms for measurement of QT "
        "and other waveform intervals in the ECG. Computers in Cardiology 1997; "
        "24:673-676.",
    ),
    "mimic-iv-ecg": Database(
        "MIMIC-IV-ECG",
        *_ODBL,
        "MIMIC-IV-ECG 1.0 on PhysioNet",
        "https://physionet.org/content/mimic-iv-ecg/",
        "Gow B et al. MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset "
        "(version 1.0). PhysioNet 2023. https://doi.org/10.13026/4nqg-sb35",
    ),
    "code15": Database(
        "CODE-15 %",
        *_CC_BY,
        "CODE-15 % on Zenodo",
        "https://zenodo.org/records/4916206",
        "Ribeiro AH et al. CODE-15 %: a large scale annotated dataset of 12-lead ECGs. "
        "Zenodo 2021. https://doi.org/10.5281/zenodo.4916206",
    ),
    "sami-trop": Database(
        "SaMi-Trop",
        *_CC_BY,
        "SaMi-Trop on Zenodo",
        "https://zenodo.org/records/4905618",
        "Cardoso CS et al. Longitudinal study of patients with chronic Chagas "
        "cardiomyopathy in Brazil (SaMi-Trop project): a cohort profile. BMJ Open "
        "2016; 6:e011181. https://doi.org/10.1136/bmjopen-2016-011181",
    ),
}
"""The databases that `ecgstore.sources.origin` knows, by source."""


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
