"""Postal addresses of several countries, by their grammar and the words before them; and what only looks like one."""

import pytest

FOUND = [
    ("I live at 742 Evergreen Terrace", "742 Evergreen Terrace"),
    ("meet me at 0896 69 Farnell Street, please", "0896 69 Farnell Street"),
    ("ship it to 28245 Puruntie 82 Apt. 595", "28245 Puruntie 82"),
    ("4844 Søndergade 52\n Apt. 3", "4844 Søndergade 52"),
    ("Gesterbyntie 68", "Gesterbyntie 68"),
    ("Augsburger Strasse 36", "Augsburger Strasse 36"),
    ("Wingertweg 126", "Wingertweg 126"),
    ("233 Erzsébet tér 19.", "233 Erzsébet tér 19."),
    ("Király u. 15", "Király u. 15"),
    ("3482 Via Franscini 71", "3482 Via Franscini 71"),
    ("Avda. Rio Nalon 58", "Avda. Rio Nalon 58"),
    ("Rue de Piétrain 371", "Rue de Piétrain 371"),
    ("770 26 rue des lieutenants Thomazo", "770 26 rue des lieutenants Thomazo"),
    ("7167 Postbox 53", "7167 Postbox 53"),
    ("45818 P.O. Box 242", "45818 P.O. Box 242"),
    ("psc 5420, box 2708", "psc 5420, box 2708"),
    ("stop at the corner of Csabai kapu 39. and Mathias Pass", "Csabai kapu 39. and Mathias Pass"),
    ("Trivo lives on Grössgstötten 50 street", "Grössgstötten 50"),
    ("address:\n947 trg revolucije 17 apt. 858", "947 trg revolucije 17"),
    ("20789 Allika 46\n Suite 501", "20789 Allika 46"),
    ("Apt. 595\n Riisa\n\n Denmark 35018", "35018"),
]

NOT_FOUND = [
    "the corner of the room and the hall",
    "the corner of Marketing and Sales",
    "Test suite 3: 10 Cases 5 failed",
    "The test suite 12 listens on Port 12345",
    "Suite 16 was sold, Order 12345 was not",
    "He lives on Monday 5 o'clock trains",
    "She lives on 5 dollars a day",
    "IP address: 10 of them",
    "Chapter 3 Section 12",
    "In 2024 Windows 11 was",
    "See Table 12 and Figure 3",
    "It was out of 10 000",
    "the box 12 is empty",
    "at 5 o'clock in Room 12",
    "Denmark 35018",
]


@pytest.mark.parametrize(("text", "address"), FOUND)
def test_an_address_is_found_from_its_first_number_on(scanner, text, address):
    start = text.index(address)
    spans = [(f.start, f.end) for f in scanner.scan_text(text).findings if f.entity == "ADDRESS"]
    assert any(first <= start and last >= start + len(address) - 1 for first, last in spans), spans


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_only_looks_like_an_address_is_none(scanner, text):
    found = [f for f in scanner.scan_text(text).findings if f.entity == "ADDRESS" and f.score >= 0.6]
    assert [text[f.start : f.end] for f in found] == []


@pytest.mark.parametrize("text", ["mobile: 99 577450", "Office\\,07700 063 966-Fax", "Office, 3660170548-Fax"])
def test_a_telephone_in_a_signature_is_found(scanner, text):
    assert "PHONE" in {f.entity for f in scanner.scan_text(text).findings}


@pytest.mark.parametrize("text", ["1,234 566-home", "work: 12 of 345678 items", "version 3.07700 063 966"])
def test_an_amount_is_no_telephone(scanner, text):
    assert "PHONE" not in {f.entity for f in scanner.scan_text(text).findings}
