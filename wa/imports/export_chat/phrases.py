"""The phrases that WhatsApp itself writes into an exported chat, in the languages of phones.

The words beside times are from the Unicode CLDR. Phrases are compared in the form that `plain` returns.
If a language is missing here, no message is lost: its phrases are imported as texts.
"""

from __future__ import annotations

import re
import unicodedata

_UNSEEN = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_EDGES = " <>.。।"


def plain(text: str) -> str:
    """Return a phrase for comparison: without case, invisible marks, brackets and full stop."""
    if not text.isascii():
        text = _UNSEEN.sub("", unicodedata.normalize("NFKC", text))
    return " ".join(text.casefold().split()).strip(_EDGES)


def _phrases(text: str) -> frozenset[str]:
    return frozenset(plain(each) for each in re.split(r"[|\n]", text) if each.strip())


def _token(word: str) -> str:
    return re.sub(r"[ .'\"׳״]", "", plain(word))


def half_of_day(word: str) -> bool | None:
    """Return whether a word beside a time means the afternoon; None for another word."""
    word = _token(word)
    return None if word not in _HALVES else word in _AFTERNOON


def is_filler(word: str) -> bool:
    """Return whether a word beside a date or a time has no meaning of its own: `klo`, `Uhr`."""
    return _token(word) in _FILLERS


_MORNING = {
    _token(word)
    for word in _phrases("""
AM|a. m.|ص|صباحا|صباحًا|ق.ظ.|قبل‌ازظهر|上午|早上|清晨|凌晨|午夜|午前|오전|SA|ÖÖ|de.|dop.|ap.|fm|vm.|vorm.|π.μ.
PG|TO|PD|e paradites|дп|пр.об.|пре подне|претпладне|priekšp.|priešpiet|ก่อนเที่ยง|पूर्वाह्न|म.पू.|ਪੂ.ਦੁ.|ಪೂರ್ವಾಹ್ನ
முற்பகல்|පෙ.ව.|לפנה״צ|לפנה׳צ|r.n.
""")
}
_AFTERNOON = {
    _token(word)
    for word in _phrases("""
PM|p. m.|م|مساء|مساءً|ب.ظ.|بعدازظهر|下午|中午|晚上|午後|오후|CH|ÖS|du.|odp.|ip.|em|nm.|nachm.|μ.μ.|PTG|TK|MD
e pasdites|pop.|пп|сл.об.|по подне|попладне|pēcp.|popiet|หลังเที่ยง|अपराह्न|म.उ.|ਬਾ.ਦੁ.|ಅಪರಾಹ್ನ|பிற்பகல்|ප.ව.|אחה״צ
אחה׳צ|i.n.
""")
}
_HALVES = _MORNING | _AFTERNOON
_FILLERS = {_token(word) for word in _phrases("klo|kl.|Uhr|um|à|às|la|v|в|о|об|u|lúc|г.|ч.|h|BE|น.")}

# ── A file that is not in the export, by its kind; `other` where the phrase does not say ────────────

_OMITTED = {
    "other": """
Media omitted|Medien ausgeschlossen|Medien weggelassen|Medien ausgelassen|Multimedia omitido|Archivo omitido
Médias omis|Fichier omis|Médias absents|Media omessi|Media omesso|Mídia oculta|Mídia omitida
Arquivo de mídia oculto|Ficheiro não revelado|Ficheiro multimédia omitido|Media weggelaten|Без медиафайлов
Файл пропущен|Медиа пропущены|Медіа пропущено|Без медіафайлів|Medya dahil edilmedi|Medya atlanmış
تم استبعاد الوسائط|تم استثناء الوسائط|המדיה לא נכללה|מדיה הושמטה|המדיה הושמטה|המדיה הוסרה|मीडिया के बिना
मीडिया छोड़ा गया|忽略多媒體檔|省略多媒體檔|省略多媒體檔案|省略多媒体文件|媒体省略|媒體已略去|媒体已忽略
メディアなし|メディアは含まれていません|メディアを省略|미디어 파일 제외됨|미디어 파일을 생략한 대화내용
미디어 생략|미디어 생략됨|pominięto multimedia|pliki pominięto|Media pominięte|Média vynechány
Média vynechána|Médiá vynechané|média elhagyva|Hiányzó médiafájl|conținut media omis|media utelämnat
Media har utelämnats|medier udeladt|Mediefil udeladt|media utelatt|Uten vedlegg|media jätettiin pois
Media jätetty pois|αρχείο παραλήφθηκε|αρχείο παραλείφθηκε|Εξαίρεση πολυμέσων|media tidak disertakan
media dikecualikan|Media disingkirkan|bỏ qua tệp phương tiện|Bỏ qua Media|ไฟล์สื่อถูกลบ|สื่อถูกลบ|رسانه حذف شد
پيوست نما/آهنگ حذف شد|میڈیا چھوڑ دیا گیا|میڈیا ہٹا دیا گیا|মিডিয়া বাদ দেওয়া হয়েছে|fitxers multimèdia omesos
Mitjans omesos|medijski zapis izostavljen|медији су изостављени|Без файл|Без фајл|без фајлови
datoteke izpuščene|Medij izpuščen|meedia välja jäetud|Meedia ära jäetud|nav iekļauta multivide
Bez multivides|medija praleista|Praleistas medijos turinys|media u hoq|Media hequr|media weggelaat
файлдар қосылмаған|Файл қосылған жоқ|media buraxıldı|Media çıxarılmışdır|fayl o‘tkazib yuborildi
media hazijajumuishwa|Media imerukwa|Walang kalakip na media|मीडिया वगळण्यात आला|मीडिया वगळले|મિડિયા છોડી મૂકાયું
મીડિયા અવગણવામાં આવ્યા|கோப்புகள் விடப்பட்டன|మీడియా విస్మరించబడింది|ಮಾಧ್ಯಮ ಕೈಬಿಡಲಾಗಿದೆ|മീഡിയ ഒഴിവാക്കി|ਮੀਡੀਆ ਛੱਡਿਆ
""",
    "image": """
image omitted|Bild weggelassen|imagen omitida|image absente|immagine omessa|foto omessa|imagem ocultada
imagem oculta|imagem omitida|imagem não revelada|afbeelding weggelaten|изображение отсутствует
зображення відсутнє|görüntü dahil edilmedi|لم يتم إدراج الصورة|התמונה הושמטה|फ़ोटो हटाई गई|圖片已略去
圖像已省略|图片已忽略|照片已忽略|画像は含まれていません|이미지 생략됨|obraz pominięty|obrázek vynechán
obrázok vynechaný|bild utesluten|billede udeladt|bilde ikke inkludert|ei kuvaa|εικόνα παραλείφθηκε
gambar tidak disertakan|imej tidak dimasukkan|đã bỏ qua hình ảnh|ไม่มีรูปภาพ|تصویر حذف شد|imagine omisă
kép küldése sikertelen|imatge omesa|slika izostavljena
""",
    "video": """
video omitted|video note omitted|video message omitted|GIF omitted|Video weggelassen|GIF weggelassen
video omitido|GIF omitido|vidéo absente|GIF retiré|video omesso|GIF esclusa|vídeo omitido|vídeo oculto
vídeo não revelado|GIF omitida|video weggelaten|GIF weggelaten|видео отсутствует|GIF отсутствует
відео відсутнє|video dahil edilmedi|GIF dahil edilmedi|görüntülü not çıkarıldı|لم يتم إدراج الفيديوهات
لم يتم إدراج الفيديو|لم يتم إدراج صورة GIF|סרטון הווידאו הושמט|GIF הושמט|वीडियो छोड़ा गया|GIF छोड़ा गया
影片已略去|影片已省略|视频已忽略|GIF 已略去|GIF 动态图已被忽略|ビデオは含まれていません
GIFは含まれていません|비디오 생략됨|동영상 생략됨|GIF 생략됨|wideo pominięte|plik GIF pominięty
video vynecháno|video vynechané|GIF vynechán|video utesluten|GIF utesluten|video udeladt|GIF udeladt
video utelatt|GIF utelatt|videota ei sisällytetä|βίντεο παραλείφθηκε|video tidak disertakan
GIF tidak disertakan|video tidak dimasukkan|đã bỏ video|วิดีโอถูกลบ|ویدیو حذف شد|clip video omis|videó kihagyva
vídeo omès|video izostavljen
""",
    "audio": """
audio omitted|Audio weggelassen|audio omitido|audio omis|audio omesso|áudio ocultado|áudio oculto
áudio omitido|ficheiro de áudio não revelado|audio weggelaten|аудиофайл отсутствует|аудіо відсутнє
ses dahil edilmedi|لم يتم إدراج المقاطع الصوتية|لم يتم إدراج المقطع الصوتي|קטע קול הושמט|ऑडियो हटाई गयी
ऑडियो छोड़ा गया|音訊已略去|音訊已省略|音频已忽略|音声は含まれていません|오디오 생략됨|audio pominięte
zvukový soubor vynechán|zvuk vynechaný|ljud utelslutet|ljud uteslutet|lyd udeladt|lyd utelatt
äänitiedostoa ei sisällytetä|ήχος παραλείφθηκε|audio tidak disertakan|audio tidak dimasukkan
bỏ qua tệp âm thanh|ไม่มีไฟล์เสียง|صدا حذف شد|fără audio|hang kihagyása|àudio omès|zvuk izostavljen
""",
    "voice": "view once voice message omitted|voice message omitted",
    "sticker": """
sticker omitted|Sticker weggelassen|sticker omitido|sticker omis|sticker non incluso|adesivo omesso
figurinha omitida|figurinha oculta|sticker não revelado|sticker weggelaten|стикер не добавлен
стикер отсутствует|наклейку не додано|Çıkartma dahil edilmedi|تم حذف الملصقات|لم يتم إدراج الملصق
סטיקר הושמט|स्टिकर छोड़ा गया|貼圖已略去|貼圖已忽略|贴图已省略|スタンプは含まれていません|스티커 제외됨
pominięto naklejkę|nálepka vynechána|nálepka vynechaná|sticker utesluten|klistermærke udeladt
klistremerke utelatt|tarraa ei sisällytetty|αυτοκόλλητο παραλήφθηκε|stiker tidak disertakan
pelekat tidak disertakan|đã bỏ sticker|ไม่มีสติกเกอร์|استیکر حذف شد|matrica kihagyva|adhesiu omès
""",
    "document": """
document omitted|Dokument weggelassen|documento omitido|document manquant|documento omesso|documento oculto
documento não revelado|document weggelaten|документ отсутствует|документ пропущено|belge dahil edilmedi
لم يتم إدراج المستند|מסמך הושמט|डॉक्यूमेंट छोड़ा गया|文件已略去|文件已忽略|文档已省略
ドキュメントは含まれていません|문서 생략됨|dokument pominięty|dokument vynechán|dokument vynechaný
dokument uteslutet|dokument udeladt|utelatt dokument|dokumenttia ei sisällytetä|έγγραφο παραλείφθηκε
dokumen tidak disertakan|dokumen tidak dimasukkan|đã bỏ qua tài liệu|ละเว้นเอกสาร|سند حذف شد|document omis
dokumentum kihagyva|document omès|dokument izostavljen
""",
    "contact": """
contact card omitted|Kontaktkarte ausgelassen|Kontaktkarte weggelassen|tarjeta de contacto omitida
fiche contact manquante|scheda contatto omessa|cartão do contato omitido|contacto não revelado
visitekaartje weggelaten|карточка контакта отсутствует|картка контакту відсутня|kişi kartı dahil edilmedi
لم يتم إدراج بطاقة جهة اتصال|כרטיס איש קשר הושמט|कॉन्टैक्ट कार्ड छोड़ा गया|聯絡人卡片已略去|聯絡人卡片已省略
联系人卡片已忽略|連絡先カードを省略|연락처 카드 생략됨|pominięta wizytówka kontaktu|vizitka vynechána
kontaktkort uteslutet|kontaktkort udeladt|kontaktkort sløyfet|kartu kontak tidak disertakan
""",
    "location": """
live location shared|location shared|Live-Standort wird geteilt|ubicación en tiempo real compartida
localisation en direct partagée|posizione attuale condivisa|localização atual compartilhada
live locatie gedeeld|геоданные отправлены|mevcut konum paylaşıldı|تمت مشاركة الموقع المباشر
משתף מיקום בשידור חי
""",
}
OMITTED = {phrase: kind for kind, text in _OMITTED.items() for phrase in _phrases(text)}

# ── A file that is in the export: `IMG-…jpg (file attached)`, `<attached: …>` ───────────────────────

ATTACHED = _phrases("""
file attached|attached|Datei angehängt|Anhang|angehängt|archivo adjunto|archivo adjuntado|adjunto
fichier joint|pièce jointe|file allegato|allegato|arquivo anexado|ficheiro anexado|anexo|anexado
bestand bijgevoegd|bijgevoegd|файл добавлен|файл прикреплен|прикреплено|файл додано|додано|dosya ekli
eklendi|الملف مرفق|المُرفق|مرفق|קובץ מצורף|מצורף|फाइल अटैच कर दी गई है|अटैच किया गया|附件|文件附件|附件檔案
添付ファイル有り|添付ファイル|ファイル添付|파일 첨부됨|첨부됨|załączony plik|załączono|soubor byl přiložen
příloha|súbor pripojený|príloha|fájl csatolva|csatolva|fișier atașat|atașare|bifogad fil|bifogat
fil vedhæftet|vedhæftet|vedlagt fil|vedlagt|liitetiedosto|liite|συνημμένο αρχείο|επισυνάφθηκε|file terlampir
terlampir|fail dilampirkan|dilampir|tệp đính kèm|đính kèm|ไฟล์ที่แนบ|แนบ|پیوست شد|پیوست|پیوستہ فائل|پیوستہ
ফাইল সংযুক্ত হয়েছে|arxiu adjunt|adjunt|datoteka u privitku|priloženo|priložena datoteka|прикачен файл
прикачен фајл|прикачена датотека|fail lisatud|pievienots fails|byla prisegta|skedë e ngjitur|lêer aangeheg
қосымша файл|fayl əlavə olunub|fayl biriktirildi|faili limeambatanishwa|nakalakip na file|फाइल संलग्न|संलग्न केले
ફાઇલ જોડાયેલ|જોડાયેલ|ఫైల్ జోడించబడినది|ಕಡತ ಸೇರಿಸಲಾಯಿತು|ഫയൽ ചേർത്തു
""")

# ── Deleted and edited messages ─────────────────────────────────────────────────────────────────────

DELETED = _phrases("""
This message was deleted|You deleted this message|This message was deleted by an admin
You deleted this message as admin|Diese Nachricht wurde gelöscht|Du hast diese Nachricht gelöscht
Se eliminó este mensaje|Este mensaje fue eliminado|Eliminaste este mensaje|Ce message a été supprimé
Vous avez supprimé ce message|Questo messaggio è stato eliminato|Hai eliminato questo messaggio
Mensagem apagada|Esta mensagem foi apagada|Essa mensagem foi apagada|Você apagou esta mensagem
Apagou esta mensagem|Dit bericht is verwijderd|Je hebt dit bericht verwijderd|U hebt dit bericht verwijderd
Данное сообщение удалено|Это сообщение удалено|Вы удалили это сообщение|Вы удалили данное сообщение
Це повідомлення було видалено|Ви видалили це повідомлення|Bu mesaj silindi|Bu mesajı sildiniz
تم حذف هذه الرسالة|لقد حذفت هذه الرسالة|لقد حذَفت هذه الرسالة|أنت حذفت هذه الرسالة|הודעה זו נמחקה
ההודעה נמחקה|מחקת הודעה זו|מחקת את ההודעה הזו|यह मैसेज डिलीट कर दिया गया है|यह मैसेज डिलीट किया गया
आपने यह मैसेज डिलीट किया|यह संदेश मिटाया गया|आपने यह संदेश मिटाया|此訊息已刪除|您已刪除此訊息|你已刪除此訊息
这条消息已被删除|此消息已删除|您已删除这条消息|你已删除这条消息|您已删除此消息|你已删除此消息
このメッセージは削除されました|このメッセージを削除しました|이 메시지는 삭제되었습니다|삭제된 메시지입니다
삭제한 메시지입니다|이 메시지를 삭제했습니다|Ta wiadomość została usunięta|Usunięto tę wiadomość
Usunąłeś(-ęłaś) tę wiadomość|Usunąłeś(aś) tę wiadomość|Tato zpráva byla smazána|Tato zpráva byla odstraněna
Tuto zprávu jste smazal/a|Tuto zprávu jste odstranil/a|Táto správa bola odstránená
Túto správu ste odstránili|Ez az üzenet törlésre került|Törölted ezt az üzenetet|Acest mesaj a fost șters
Ați șters acest mesaj|Det här meddelandet raderades|Detta meddelande raderades
Du raderade det här meddelandet|Du raderade detta meddelande|Denne besked er blevet slettet
Denne besked blev slettet|Du slettede denne besked|Du har slettet denne besked|Denne meldingen ble slettet
Du slettet denne meldingen|Tämä viesti poistettiin|Poistit tämän viestin|Αυτό το μήνυμα διαγράφηκε
Διαγράψατε αυτό το μήνυμα|Pesan ini dihapus|Pesan ini telah dihapus|Anda menghapus pesan ini
Anda telah menghapus pesan ini|Mesej ini telah dipadam|Anda telah memadamkan mesej ini
Tin nhắn này đã bị xóa|Tin nhắn này đã bị xoá|Bạn đã xóa tin nhắn này|Bạn đã xoá tin nhắn này|ข้อความนี้ถูกลบแล้ว
ข้อความนี้ถูกลบ|คุณลบข้อความนี้|คุณได้ลบข้อความนี้|این پیام حذف شد|این پیام حذف شده است|شما این پیام را حذف کردید
یہ میسج حذف کر دیا گیا ہے|এই মেসেজটি বাদ দেওয়া হয়েছে|Aquest missatge s'ha suprimit
Has suprimit aquest missatge|Ova je poruka izbrisana|Izbrisali ste ovu poruku|Съобщението беше изтрито
Изтрихте това съобщение
""")
EDITED = _phrases("""
This message was edited|Diese Nachricht wurde bearbeitet|Se editó este mensaje|Este mensaje fue editado
Ce message a été modifié|Questo messaggio è stato modificato|Mensagem editada|Esta mensagem foi editada
Essa mensagem foi editada|Dit bericht is bewerkt|Это сообщение изменено|Данное сообщение изменено
Сообщение изменено|Це повідомлення відредаговано|Це повідомлення було змінено|Bu mesaj düzenlendi
تم تعديل هذه الرسالة|تم تعديل الرسالة|ההודעה נערכה|הודעה זו נערכה|यह मैसेज एडिट किया गया
यह मैसेज एडिट किया गया है|此訊息已編輯|此消息已编辑|这条消息已编辑|このメッセージは編集されました
このメッセージは編集済みです|이 메시지는 수정되었습니다|수정된 메시지입니다|Ta wiadomość została edytowana
Edytowano wiadomość|Tato zpráva byla upravena|Táto správa bola upravená|Ezt az üzenetet szerkesztették
Acest mesaj a fost editat|Det här meddelandet redigerades|Denne besked blev redigeret
Denne meldingen ble redigert|Tätä viestiä muokattiin|Αυτό το μήνυμα τροποποιήθηκε|Pesan ini diedit
Pesan ini telah diedit|Tin nhắn này đã được chỉnh sửa|ข้อความนี้ได้รับการแก้ไขแล้ว|این پیام ویرایش شد
Aquest missatge s'ha editat
""")
# The beginnings of the notice with which a chat opens; the rest of it has changed over the years.
_ENCRYPTED = """
Messages and calls are end-to-end encrypted|Messages and calls are now end-to-end encrypted
Messages to this chat and calls are now secured with end-to-end encryption
Messages to this group are now secured with end-to-end encryption
Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt
Los mensajes y las llamadas están cifrados de extremo a
Les messages et les appels sont chiffrés de bout en bout
I messaggi e le chiamate sono crittografati end-to-end
As mensagens e as chamadas são protegidas com a criptografia|As mensagens e ligações são protegidas com
As mensagens e chamadas são encriptadas ponto a ponto|Berichten en gesprekken worden end-to-end versleuteld
Berichten en oproepen worden end-to-end versleuteld|Сообщения и звонки защищены сквозным шифрованием
Повідомлення й дзвінки захищено наскрізним|Mesajlar ve aramalar uçtan uca şifrelidir
الرسائل والمكالمات مشفرة تمام|ההודעות והשיחות מוצפנות מקצה|मैसेज और कॉल एंड-टू-एंड एन्क्रिप्टेड
मैसेजेस और कॉल्स एंड-टू-एंड एन्क्रिप्टेड|訊息和通話經端對端加密|訊息已受端對端加密|訊息與通話受到端對端加密
消息和通话都进行端到端加密|メッセージと通話はエンドツーエンド暗号化されています
메시지 및 전화는 종단간 암호화|메시지와 통화는 종단간 암호화|Wiadomości i połączenia są w pełni zaszyfrowane
Wiadomości i połączenia są szyfrowane|Zprávy a hovory jsou opatřeny koncovým šifrováním
Pesan dan panggilan terenkripsi secara end-to-end
"""
ENCRYPTED = re.compile(
    "|".join(re.escape(each).replace(r"\ ", r"\s+") for each in re.split(r"[|\n]", _ENCRYPTED.strip())),
    re.IGNORECASE,
)

# ── How the file is named after the chat ────────────────────────────────────────────────────────────

_TITLES = """
WhatsApp Chat with *|WhatsApp Chat - *|WhatsApp Chat mit *|WhatsApp-Chat mit *|Chat de WhatsApp con *
Discussion WhatsApp avec *|Chat WhatsApp con *|Conversa do WhatsApp com *|Conversa no WhatsApp com *
WhatsApp-chat met *|Чат WhatsApp с контактом *|Чат WhatsApp с *|Бесіда WhatsApp з *|Чат WhatsApp з *
* ile WhatsApp Sohbeti|دردشة واتساب مع *|محادثة واتساب مع *|צ'אט WhatsApp עם *|* के साथ WhatsApp चैट
WhatsApp 与 * 的对话|WhatsApp 與 * 的對話|与*的 WhatsApp 对话|與*的 WhatsApp 對話|*とのWhatsAppチャット
*님과의 WhatsApp 대화|Czat WhatsApp z użytkownikiem *|Czat WhatsApp z *|Chat WhatsApp s uživatelem *
WhatsApp chat s používateľom *|WhatsApp csevegés vele: *|Conversație WhatsApp cu *|WhatsApp-chatt med *
WhatsApp chat med *|WhatsApp-samtale med *|WhatsApp-keskustelu henkilön * kanssa|Συνομιλία WhatsApp με *
Chat WhatsApp dengan *|Sembang WhatsApp dengan *|Trò chuyện WhatsApp với *|Cuộc trò chuyện WhatsApp với *
แชท WhatsApp กับ *|گفتگوی WhatsApp با *|گفتگوی واتساپ با *|* کے ساتھ WhatsApp بات چیت|* এর সাথে WhatsApp চ্যাট
Xat de WhatsApp amb *|WhatsApp razgovor s *|WhatsApp Ћаскање са *|WhatsApp Чат с *|WhatsApp klepet z *
WhatsApp разговор со *|WhatsApp pokalbis su *|WhatsApp sarakste ar *|WhatsApp'i vestlus kontaktiga *
Biseda me * në WhatsApp|WhatsApp Gesprek met *|WhatsApp чат: *|* ilə WhatsApp Söhbəti|* bilan WhatsApp chati
Soga za WhatsApp na *|WhatsApp Chat kay *|* सोबतच्या WhatsApp गप्पा
"""
_TITLE_FORMS = [
    re.compile(re.escape(form).replace(r"\*", "(.+)").replace(r"\ ", "[ _]+"), re.IGNORECASE)
    for form in sorted(re.split(r"[|\n]", _TITLES.strip()), key=len, reverse=True)
]
_COPY = re.compile(r"(?: ?\([0-9]+\)|[-_][0-9]{1,2}| copy)+$")


def titles(file_name: str) -> list[str]:
    """Return the chat's name in an exported file's name, as it is and without the number of a copy."""
    stem = _UNSEEN.sub("", re.sub(r"\.(?:txt|zip)$", "", file_name.strip(), flags=re.IGNORECASE))
    stem = unicodedata.normalize("NFC", stem).strip()
    for form in _TITLE_FORMS:
        if found := form.fullmatch(stem):
            title = found[1].strip()
            return list(dict.fromkeys([title, _COPY.sub("", title).strip() or title]))
    return []
