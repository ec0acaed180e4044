"""Safe file names, made of names that somebody else chose."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from examples import examples
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st

from wa.media import names

pytest_plugins = ["media_fixture"]


@for_each(
    ("name", "made"),
    [
        ("report.pdf", "report.pdf"),
        ("report", "report.bin"),
        ("v1.2 of a report", "v1.2 of a report.bin"),
        ("part.001", "part.001.bin"),
        ("a.7z", "a.7z"),
        ("../../x", "x.bin"),
        ("../../etc/passwd", "etc_passwd.bin"),
        ("/etc/passwd", "etc_passwd.bin"),
        ("C:\\Users\\me\\a.doc", "C__Users_me_a.doc"),
        ("AC/DC.mp3", "AC_DC.mp3"),
        ("..", "fallback.bin"),
        (".", "fallback.bin"),
        ("", "fallback.bin"),
        (None, "fallback.bin"),
        ("   ", "fallback.bin"),
        ("///", "fallback.bin"),
        ("\u200d\u200c", "fallback.bin"),
        (".hidden", "hidden.bin"),
        ("...a.txt", "a.txt"),
        ("-rf.txt", "rf.txt"),
        (". -.-a.txt", "a.txt"),
        ("a.txt. . ", "a.txt"),
        ("CON", "_CON.bin"),
        ("con.txt", "_con.txt"),
        ("nul .tar.gz", "_nul .tar.gz"),
        ("COM1.jpg", "_COM1.jpg"),
        ("lpt\u00b9", "_lpt\u00b9.bin"),
        ("console.txt", "console.txt"),
        ('a<b>c:d"e|f?g*h.txt', "a_b_c_d_e_f_g_h.txt"),
        ("a\0b\x1b[31m\x07.txt", "ab[31m.txt"),
        ("two\r\nlines\t.txt", "two lines .txt"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("\u2066a\u2069\u200e\u200f\u061c\ufeff.txt", "a.txt"),
        ("a\u2028b\u2029c\u0085d.txt", "a b c d.txt"),
        ("\ud800a.txt", "a.txt"),
        ("отчёт за май.docx", "отчёт за май.docx"),
        ("报告.pdf", "报告.pdf"),
        ("می\u200cخواهم.pdf", "می\u200cخواهم.pdf"),
        ("👩\u200d👧 ok.png", "👩\u200d👧 ok.png"),
        ("cafe\u0301.txt", "café.txt"),
    ],
)
def test_a_name_is_made_safe(name, made):
    assert names.safe_name(name, "fallback", ".bin") == made


def test_a_fallback_and_an_extension_are_made_safe_too():
    assert names.safe_name(None, "../x", "/../y") == "x"
    assert names.safe_name(None, "//", "") == "file"
    assert names.safe_name(None, "con", ".txt") == "_con.txt"
    assert names.safe_name("a", "b", ".tar.gz\n") == "a"


@for_each("letter", ["a", "é", "報", "👍"])
def test_long_names_are_cut_at_a_character(letter):
    made = names.safe_name(letter * 300 + ".pdf", "x", ".bin")
    assert made.endswith(".pdf")
    assert 113 <= len(made.encode()) <= 120
    assert set(made.removesuffix(".pdf")) == {letter}
    assert len(names.safe_name("a" * 10_000_000, "x", ".bin")) == 120


odd_text = st.text(
    st.one_of(st.sampled_from("./\\- :\0\n\u202e\u200d\u2066\u0301aAcConN1é👍報\ud800"), st.characters()),
    max_size=200,
)


@given(odd_text, odd_text, st.sampled_from(["", ".jpg", ".bin", "/x", "..", odd_text]))
@settings(max_examples=examples(500))
def test_every_name_is_safe(tmp_path_factory, name, fallback, extension):
    made = names.safe_name(name, fallback, str(extension))
    assert 0 < len(made.encode()) <= 120
    assert not set(made) & set('/\\<>:"|?*')
    assert made[0] not in ".- "
    assert made[-1] not in ". "
    assert all(unicodedata.category(each) not in ("Cc", "Cs", "Zl", "Zp") for each in made)
    assert all(unicodedata.category(each) != "Cf" for each in made if each not in "\u200c\u200d")
    assert made.partition(".")[0].strip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT1"}
    assert names.safe_name(made, "other", "") == made
    assert Path("/folder", made).name == made
