"""Who writes in which language."""

from __future__ import annotations

import pytest

from bot.understanding.language import UND
from bot.understanding.normalise import views
from bot.understanding.parts import Parts
from bot.understanding.scripts import main_script, telling_language


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("paljonko tämä apu maksaa minulle", "fi"),
        ("how much does this help cost", "en"),
        ("сколько стоит ваша помощь", "ru"),
        ("skolko stoit vasha pomosch", "ru"),
        ("ich habe große angst vor meinem chef", "de"),
        ("ninahitaji msaada tafadhali", "sw"),
        ("bana yardım edin lütfen çok korkuyorum", "tr"),
        ("допоможіть мені будь ласка", "uk"),
        ("xin hãy giúp tôi với", "vi"),
        ("ช่วยด้วย", "th"),
        ("请帮帮我", "zh"),
        ("يمەک بکە ڵێرە ڕۆژ", "ckb"),
        ("مجھے مدد چاہیے ہے", "ur"),
    ],
)
def test_a_person_is_recognised_by_their_language_even_one_that_we_cannot_answer_in(parts: Parts, text: str, code: str) -> None:
    assert parts.language.guess(views(text)).code == code


@pytest.mark.parametrize("text", ["", "112", "???", "😀"])
def test_nothing_is_claimed_of_a_message_without_a_word(parts: Parts, text: str) -> None:
    assert parts.language.guess(views(text)).code == UND


def test_a_person_who_writes_ok_stays_in_the_language_of_the_conversation(parts: Parts) -> None:
    assert parts.language.guess(views("ok"), current="fi").code == "fi"
    assert parts.language.guess(views("112"), current="so").code == "so"


def test_a_person_who_changes_to_whole_sentences_of_another_language_is_followed(parts: Parts) -> None:
    assert parts.language.guess(views("how much does this help cost me"), current="fi").code == "en"


def test_a_brand_name_in_a_thai_message_does_not_make_it_english() -> None:
    assert main_script("ฉันทำงานที่ร้าน massage") == "Thai"


def test_letters_that_only_sorani_has_tell_it_from_persian() -> None:
    assert telling_language("ڕۆژ") == "ckb"
    assert telling_language("روز") is None
