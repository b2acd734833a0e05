package mailmsg

// introduction holds the words that introduce a quote in one language, in lower case.
type introduction struct {
	language string
	openers  []string // what it begins with
	verbs    []string // what it holds
}

var introductions = []introduction{
	{"en", []string{"on", "at", "in", "mon", "tue", "wed", "thu", "fri", "sat", "sun"}, []string{"wrote", "writes", "said"}},
	{"de", []string{"am", "den", "der", "von", "mo", "di", "mi", "do", "fr", "sa", "so", "montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag"}, []string{"schrieb", "geschrieben"}},
	{"fr", []string{"le", "du"}, []string{"a écrit", "écrit", "a ecrit"}},
	{"es", []string{"el", "en"}, []string{"escribió", "escribio", "escribe"}},
	{"it", []string{"il", "in data", "lun", "mar", "mer", "gio", "ven", "sab", "dom"}, []string{"ha scritto", "scrive", "scritto"}},
	{"pt", []string{"em", "no", "a", "seg", "ter", "qua", "qui", "sex", "sáb", "dom"}, []string{"escreveu"}},
	{"nl", []string{"op", "ma", "di", "wo", "do", "vr", "za", "zo"}, []string{"schreef", "geschreven"}},
	{"pl", []string{"w dniu", "dnia", "pon", "wt", "śr", "czw", "pt", "sob", "niedz"}, []string{"napisał", "pisze", "napisa"}},
	{"sv", []string{"den", "på", "mån", "tis", "ons", "tors", "fre", "lör", "sön"}, []string{"skrev"}},
	{"da", []string{"den", "på", "d.", "man", "tir", "tor", "lør", "søn"}, []string{"skrev"}},
	{"no", []string{"den", "på", "man", "tir"}, []string{"skrev"}},
	{"fi", []string{"ma", "ti", "ke", "to", "pe", "la", "su"}, []string{"kirjoitti"}},
	{"cs", []string{"dne", "v", "po", "út", "st", "čt", "pá", "so", "ne"}, []string{"napsal"}},
	{"sk", []string{"dňa", "v"}, []string{"napísal"}},
	{"hu", []string{"ezt írta", "2"}, []string{"ezt írta", "írta"}},
	{"ro", []string{"pe", "în"}, []string{"a scris"}},
	{"ru", []string{"пн", "вт", "ср", "чт", "пт", "сб", "вс", "понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье", "1", "2", "3", "0"}, []string{"написал", "пишет", "писал"}},
	{"uk", []string{"пн", "вт", "ср", "чт", "пт", "сб", "нд", "1", "2", "3", "0"}, []string{"написав", "пише"}},
	{"tr", []string{"0", "1", "2", "3"}, []string{"şunu yazdı", "yazdı", "yazmış"}},
	{"el", []string{"στις", "την", "on"}, []string{"έγραψε"}},
	{"ja", []string{"0", "1", "2", "3", "on"}, []string{"のメール", "書きました", "wrote"}},
	{"zh", []string{"在", "於", "于", "1", "2"}, []string{"写道", "寫道", "写到"}},
	{"ko", []string{"1", "2"}, []string{"작성", "님이"}},
	{"he", []string{"בתאריך", "ב-", "on"}, []string{"כתב", "מאת"}},
	{"th", []string{"ใน", "ในวันที่", "เมื่อ", "เมื่อวันที่", "วันที่"}, []string{"เขียนว่า", "เขียน"}},
	{"webmailers of the Horde family", []string{"quoting", "zitat von", "citando", "mensaje citado por", "citeren", "cytowanie", "cituji", "цитирую"},
		[]string{"quoting", "zitat von", "citando", "mensaje citado por", "citeren", "cytowanie", "cituji", "цитирую"}},
	{"ar", []string{"في", "بتاريخ"}, []string{"كتب"}},
	{"vi", []string{"vào", "on"}, []string{"đã viết"}},
}

// forwarded holds what stands above a mail that was forwarded. It is what the sender wants to be read.
var forwarded = []string{
	"forwarded message", "begin forwarded message", "weitergeleitete nachricht", "weitergeleitete mail", "anfang der weitergeleiteten", "message transféré", "message réexpédié", "début du message réexpédié", "mensaje reenviado",
	"inicio del mensaje reenviado", "messaggio inoltrato", "inizio messaggio inoltrato", "mensagem encaminhada", "mensagem reencaminhada", "início da mensagem reencaminhada", "doorgestuurd bericht", "begin doorgestuurd bericht",
	"videresendt besked", "videresendt meddelelse", "videresendt melding", "start på videresendt", "vidarebefordrat meddelande", "vidarebefordrat brev", "välitetty viesti", "přeposlaná zpráva", "přeposlaná", "przekazana wiadomość",
	"wiadomość przekazana", "пересланное сообщение", "начало переадресованного сообщения", "переслане повідомлення", "转发的邮件", "轉寄的郵件", "转发邮件信息", "転送メッセージ", "転送されたメッセージ", "הודעה שהועברה", "ข้อความที่ส่งต่อ",
}

// originalMessage holds what stands between dashes above a quoted mail. Forwarded mail is not here.
var originalMessage = []string{
	"original message", "original appointment", "ursprüngliche nachricht", "ursprüngliche mail", "originalnachricht", "original-nachricht", "originalmail", "message d'origine", "message original",
	"message initial", "mensaje original", "messaggio originale", "messaggio orginale", "mensagem original", "oorspronkelijk bericht", "oorspronkelijke bericht", "wiadomość oryginalna", "oryginalna wiadomość", "ursprungligt meddelande",
	"originalmeddelande", "oprindelig meddelelse", "oprindelig besked", "opprinnelig melding", "original meddelelse", "alkuperäinen viesti", "původní zpráva", "původní e-mail", "pôvodná správa", "eredeti üzenet", "mesaj original", "исходное сообщение",
	"оригинальное сообщение", "пересылаемое сообщение", "вихідне повідомлення", "özgün ileti", "orijinal mesaj", "元のメッセージ", "オリジナルメッセージ", "原始邮件", "原始郵件", "原邮件", "원본 메시지", "αρχικό μήνυμα", "reply message", "reply separator",
}

// answerAbove holds the marks that helpdesks write above the history.
var answerAbove = []string{
	"reply above this line", "reply above the line", "type your reply above", "write your reply above", "antworten sie oberhalb dieser", "antwort oberhalb dieser linie",
	"répondez au-dessus de cette ligne", "responda por encima de esta línea", "rispondi sopra questa riga", "responda acima desta linha", "reageer boven deze regel",
}

// closings are what people write above their names.
var closings = setOf(
	"regards", "best regards", "kind regards", "kindest regards", "warm regards", "with kind regards", "with best regards", "many thanks and regards", "best wishes", "yours sincerely", "sincerely", "yours faithfully",
	"mit freundlichen grüßen", "mit freundlichen grüssen", "freundliche grüße", "freundliche grüsse", "viele grüße", "viele grüsse", "beste grüße", "liebe grüße", "mit besten grüßen", "schöne grüße", "hochachtungsvoll",
	"cordialement", "bien cordialement", "bien à vous", "sincères salutations", "meilleures salutations", "saludos", "un saludo", "saludos cordiales", "atentamente", "cordiali saluti", "distinti saluti", "saluti",
	"atenciosamente", "cumprimentos", "com os melhores cumprimentos", "met vriendelijke groet", "met vriendelijke groeten", "groeten", "pozdrawiam", "z poważaniem", "med vänlig hälsning", "vänliga hälsningar", "mvh", "med venlig hilsen", "med vennlig hilsen", "venlig hilsen",
	"ystävällisin terveisin", "s pozdravem", "üdvözlettel", "с уважением", "з повагою", "saygılarımla", "よろしくお願いいたします", "よろしくお願いします", "此致",
)

// deviceLines begin what telephones and programs add below an answer.
var deviceLines = []string{
	"sent from ", "sent via ", "sent with proton", "sent using ", "get outlook for ", "download outlook", "von meinem ", "gesendet von ", "gesendet mit ",
	"envoyé de mon ", "envoyé depuis ", "envoyé à partir ", "enviado desde mi ", "enviado desde ", "enviado do meu ", "enviado de meu ", "enviado a partir", "inviato da ", "verzonden vanaf ", "verstuurd vanaf ", "verzonden met ", "wysłane z ", "skickat från ", "skickades från ", "sendt fra ", "lähetetty ", "odesláno z ", "odoslané z ",
	"отправлено с ", "отправлено из ", "надіслано з ", "iphone'umdan gönderildi", "iphoneから送信", "从我的 iphone", "发自我的", "發自我的", "나의 iphone에서", "נשלח מ", "ส่งจาก",
}

// noticeWords are of the notices that companies add below their mails. Two of them make one.
var noticeWords = []string{
	"confidential", "privileged", "intended recipient", "intended solely", "intended only", "addressee", "in error", "disclaimer", "virus", "unauthorized", "unauthorised", "registered in", "registered office", "think before", "before printing",
	"vertraulich", "empfänger", "irrtümlich", "unbefugt", "rechtlich geschützt", "handelsregister", "registergericht", "geschäftsführ", "datenschutz",
	"confidentiel", "destinataire", "par erreur", "confidencial", "destinatari", "por error", "por engano", "riservat", "per errore", "vertrouwelijk", "geadresseerde", "poufn", "adresat", "fortrolig", "konfidentiell", "mottaker", "mottagare",
	"luottamuksell", "důvěrn", "bizalmas", "конфиденц", "конфіденц", "получател", "адресат", "gizli", "機密", "受信者", "保密", "收件人", "חסוי", "סודי",
}

// The fields of a quoted mail's header.
const (
	labelFrom = iota
	labelSent
	labelDate
	labelTo
	labelCc
	labelSubject
)

var labels = map[string]int{
	"from": labelFrom, "von": labelFrom, "de": labelFrom, "da": labelFrom, "van": labelFrom, "od": labelFrom, "من": labelFrom, "från": labelFrom, "fra": labelFrom, "lähettäjä": labelFrom, "feladó": labelFrom,
	"от": labelFrom, "від": labelFrom, "kimden": labelFrom, "gönderen": labelFrom, "差出人": labelFrom, "发件人": labelFrom, "寄件者": labelFrom, "보낸 사람": labelFrom, "από": labelFrom, "מאת": labelFrom, "จาก": labelFrom, "de la": labelFrom, "expéditeur": labelFrom, "absender": labelFrom, "送信者": labelFrom,

	"sent": labelSent, "date": labelDate, "message du": labelSent, "gesendet": labelSent, "datum": labelDate, "envoyé": labelSent, "envoyé le": labelSent, "enviado": labelSent, "enviado el": labelSent, "fecha": labelDate, "data": labelDate, "inviato": labelSent,
	"enviada em": labelSent, "enviado em": labelSent, "verzonden": labelSent, "wysłano": labelSent, "wysłane": labelSent, "изпратено": labelSent, "poslano": labelSent, "enviat": labelSent, "تم الإرسال": labelSent, "skickat": labelSent, "sendt": labelSent, "dato": labelDate, "lähetetty": labelSent, "päivämäärä": labelDate, "päiväys": labelDate, "odesláno": labelSent,
	"odoslané": labelSent, "elküldve": labelSent, "dátum": labelDate, "отправлено": labelSent, "дата": labelDate, "надіслано": labelSent, "gönderildi": labelSent, "tarih": labelDate, "送信日時": labelSent, "日時": labelDate, "日付": labelDate, "发送时间": labelSent, "日期": labelDate, "寄件日期": labelSent,
	"傳送時間": labelSent, "보낸 날짜": labelSent, "날짜": labelDate, "ημερομηνία": labelDate, "trimis": labelSent, "inviata": labelSent, "gesendet am": labelSent, "תאריך": labelDate, "נשלח": labelSent, "ส่ง": labelSent, "ส่งเมื่อ": labelSent, "วันที่": labelDate, "sent on": labelSent,

	"to": labelTo, "an": labelTo, "à": labelTo, "para": labelTo, "a": labelTo, "aan": labelTo, "do": labelTo, "till": labelTo, "til": labelTo, "vastaanottaja": labelTo, "komu": labelTo, "címzett": labelTo, "pre": labelTo, "кому": labelTo, "до": labelTo, "za": labelTo, "per a": labelTo, "إلى": labelTo, "kime": labelTo, "alıcı": labelTo,
	"宛先": labelTo, "收件人": labelTo, "收件者": labelTo, "받는 사람": labelTo, "προς": labelTo, "către": labelTo, "אל": labelTo, "ถึง": labelTo, "empfänger": labelTo, "destinataire": labelTo, "pro": labelTo,

	"cc": labelCc, "kopie": labelCc, "copie": labelCc, "copie à": labelCc, "copia": labelCc, "cópia": labelCc, "dw": labelCc, "kopia": labelCc, "kopi": labelCc, "kopio": labelCc, "копия": labelCc, "копія": labelCc, "bilgi": labelCc, "抄送": labelCc, "副本": labelCc, "참조": labelCc,

	"subject": labelSubject, "betreff": labelSubject, "objet": labelSubject, "sujet": labelSubject, "asunto": labelSubject, "oggetto": labelSubject, "assunto": labelSubject, "onderwerp": labelSubject, "temat": labelSubject, "ämne": labelSubject, "emne": labelSubject, "aihe": labelSubject,
	"předmět": labelSubject, "predmet": labelSubject, "tárgy": labelSubject, "тема": labelSubject, "относно": labelSubject, "assumpte": labelSubject, "الموضوع": labelSubject, "konu": labelSubject, "件名": labelSubject, "主题": labelSubject, "主旨": labelSubject, "제목": labelSubject, "θέμα": labelSubject, "subiect": labelSubject, "נושא": labelSubject, "เรื่อง": labelSubject, "หัวเรื่อง": labelSubject,
}

// replyPrefixes and forwardPrefixes are what mailers write in front of the subject of an answer, and of a mail that is passed on. "VS" is an answer in Finnish, and passed on
// in Danish and Norwegian: there the ids tell.
var (
	replyPrefixes   = setOf("re", "aw", "antw", "antwort", "sv", "odp", "ynt", "yan", "rif", "r", "res", "resp", "bls", "balas", "vá", "vast", "ats", "atb", "hv", "απ", "σχετ", "на", "ha", "от", "отв", "ответ", "відп", "回复", "回覆", "答复", "答覆", "返信", "회신", "رد", "השב", "תשובה")
	forwardPrefixes = setOf("fw", "fwd", "wg", "tr", "trs", "rv", "i", "enc", "doorst", "vb", "vl", "pd", "přep", "továbbítás", "továbbítva", "ilt", "i̇lt", "fs", "переслано", "пересл", "пер", "转发", "轉寄", "轉發", "転送", "전달")
)

func setOf(words ...string) map[string]bool {
	set := make(map[string]bool, len(words))
	for _, w := range words {
		set[w] = true
	}
	return set
}
