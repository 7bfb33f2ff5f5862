import pytest

from lorify.contexts.texts.language import guess_other_language

TEXTS = {
    "German": "Der Verein hat seinen Sitz in Bremen und ist in das Register eingetragen. Die Mitglieder zahlen den "
    "Beitrag bis zum März. Wer nicht zahlt, wird von dem Vorstand gemahnt und kann auch ausgeschlossen werden.",
    "French": "La réunion est dans la salle des fêtes et commence à dix heures. Les membres qui ne sont pas là "
    "peuvent voter par courrier, et le président est élu pour deux ans par les membres de la société.",
    "Spanish": "El museo está en el centro de la ciudad y abre a las nueve. Los niños no pagan, pero los grupos con "
    "más de diez personas tienen que reservar por correo. El director es el responsable de las visitas.",
    "a script other than Latin": "Музей открыт каждый день, кроме понедельника, с девяти до пяти часов вечера. Билет "
    "стоит двести рублей, а для студентов сто рублей. Директор музея живёт рядом с ним много лет.",
}


@pytest.mark.parametrize("language", TEXTS)
def test_another_language_is_named(language: str):
    assert guess_other_language(TEXTS[language]) == language


@pytest.mark.parametrize(
    "text",
    [
        "The museum is in the centre of the town and opens at nine. Children do not pay, but groups of more than ten "
        "have to book by mail. The director answers questions of visitors.",
        "name,price,stock\n" + "\n".join(f"item {i},{i}.50,{i * 3}" for i in range(60)),
        "def main():\n    for index in range(10):\n        print(index, total, name)\n" * 10,
        "Der Verein.",
        "",
        "The German words der, die, das and und are the ones that pupils learn first, as they are in nearly all "
        "texts of the language, and they have to be learned with the nouns that they belong to.",
    ],
)
def test_english_tables_code_and_short_texts_are_not_named(text: str):
    assert guess_other_language(text) is None
