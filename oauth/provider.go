package oauth

import (
	"cmp"
	"net"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"postern/desk"
)

// Check tells what is missing or wrong in how a mailbox gets its tokens. The field of its error is the flag that is meant.
func Check(o desk.OAuth) error {
	if o.ClientID == "" {
		return desk.Refuse("oauth-client-id", "the client id that the provider gave your installation is missing: docs/operations.md tells how to get one")
	}
	if strings.ContainsAny(o.Tenant, "/?#% ") {
		return desk.Refuse("oauth-tenant", "%q is neither the id nor a domain of a directory", o.Tenant)
	}
	switch o.Provider {
	case desk.OAuthGoogle, desk.OAuthMicrosoft:
		return nil
	case desk.OAuthCustom:
	default:
		return desk.Refuse("oauth", "%q is none of: google, microsoft, custom", o.Provider)
	}
	if o.AuthURL == "" && o.DeviceURL == "" {
		return desk.Refuse("oauth-auth-url", "where people consent is missing: give --oauth-auth-url, --oauth-device-url or both")
	}
	for _, u := range []struct{ flag, url string }{{"oauth-auth-url", o.AuthURL}, {"oauth-token-url", o.TokenURL}, {"oauth-device-url", o.DeviceURL}} {
		if u.url == "" && u.flag != "oauth-token-url" {
			continue
		}
		parsed, err := url.Parse(u.url)
		if err != nil || parsed.Host == "" || parsed.User != nil || strings.Contains(u.url, "#") || parsed.Scheme != "https" && !(parsed.Scheme == "http" && loopback(parsed.Hostname())) {
			return desk.Refuse(u.flag, "it must be an https:// URL without #")
		}
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// configOf gives a mailbox's provider and client. Its client's secret goes into the body: all servers that we know take it there, and to try
// both ways would show a refresh token twice.
func configOf(m desk.Mailbox, redirect string) *oauth2.Config {
	o := m.OAuth
	c := &oauth2.Config{ClientID: o.ClientID, ClientSecret: m.Secrets.OAuthClientSecret, RedirectURL: redirect}
	scope := o.Scope
	switch o.Provider {
	case desk.OAuthGoogle:
		c.Endpoint = oauth2.Endpoint{AuthURL: "https://accounts.google.com/o/oauth2/v2/auth", TokenURL: "https://oauth2.googleapis.com/token"}
		scope = cmp.Or(scope, "https://mail.google.com/")
	case desk.OAuthMicrosoft:
		at := "https://login.microsoftonline.com/" + url.PathEscape(cmp.Or(o.Tenant, "common")) + "/oauth2/v2.0/"
		c.Endpoint = oauth2.Endpoint{AuthURL: at + "authorize", TokenURL: at + "token", DeviceAuthURL: at + "devicecode"}
		scope = cmp.Or(scope, "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access")
	case desk.OAuthCustom:
		c.Endpoint = oauth2.Endpoint{AuthURL: o.AuthURL, TokenURL: o.TokenURL, DeviceAuthURL: o.DeviceURL}
	}
	c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	c.Scopes = strings.Fields(scope)
	return c
}
