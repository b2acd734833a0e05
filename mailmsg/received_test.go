package mailmsg

import (
	"fmt"
	"strings"
	"testing"
)

func TestL9_TheMachineThatSentAMailIsReadAsServersWriteIt(t *testing.T) {
	for field, want := range map[string]string{
		"from mail.example.org (mail.example.org [192.0.2.1]) by mx.example.com (Postfix) with ESMTPS id 1":               "192.0.2.1",
		"from [198.51.100.9] (unknown [192.0.2.2]) by mx.example.com (Postfix) with ESMTP id 1":                           "192.0.2.2",
		"from mail.example.org (mail.example.org [IPv6:2001:db8::1]) by mx.example.com with ESMTPS":                       "2001:db8::1",
		"from mail.example.org ([192.0.2.3] helo=[198.51.100.9]) by mx.example.com with esmtps (Exim 4.97)":               "192.0.2.3",
		"from [192.0.2.4] (helo=mail.example.org) by mx.example.com with esmtp (Exim 4.97)":                               "192.0.2.4",
		"from unknown (HELO [198.51.100.9]) (192.0.2.5) by mx.example.com with SMTP":                                      "192.0.2.5",
		"from mail.example.org (192.0.2.6) by AB1.mail.protection.example.com (10.0.0.1) with Microsoft SMTP Server":      "192.0.2.6",
		"from mail.example.org (mail.example.org [192.0.2.7] (may be forged))\r\n\tby mx.example.com (8.18.1) with ESMTP": "192.0.2.7",
		"from mail.example.org (::ffff:192.0.2.8) by mx.example.com":                                                      "192.0.2.8",
		"from x,by (evil.example [192.0.2.10]) by mx.example.com (Postfix) with ESMTP id 1":                               "192.0.2.10",
		"from x,203.0.113.9 (evil.example [192.0.2.11]) by mx.example.com (Postfix) with ESMTP id 1":                      "192.0.2.11",
		"by 2002:a05:6000::1 with SMTP id x; Mon, 2 Mar 2026 10:00:00 -0800":                                              "invalid IP",
		"from mail.example.org by mx.example.com ([203.0.113.1])":                                                         "invalid IP",
		"from mail.example.org ([192.0.2.9])":                                                                             "invalid IP",
		"(qmail 1 invoked by uid 0)":                                                                                      "invalid IP",
		"":                                                                                                                "invalid IP",
	} {
		if got := peers([]string{field})[0].String(); got != want {
			t.Errorf("%q: %s, want %s", field, got, want)
		}
	}
	if got := fmt.Sprint(peers([]string{"from a ([192.0.2.1]) by b", "x", "from c ([192.0.2.2]) by d"})); got != "[192.0.2.1 invalid IP 192.0.2.2]" {
		t.Error(got)
	}
	if got := peer("from " + strings.Repeat("([192.0.2.1]) ", 100_000)); got.IsValid() {
		t.Errorf("a field without an end gives %s", got)
	}
}
