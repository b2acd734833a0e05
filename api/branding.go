package api

import (
	"bytes"
	"cmp"
	"context"

	"github.com/danielgtaylor/huma/v2"

	"postern/desk"
	"postern/palette"
	"postern/tickets"
)

func (s *server) brandingRoutes(h huma.API) {
	handle(s, h, get("get-branding", "/branding", "Read how the portal looks, and the colours that are derived from the one that was picked"), desk.ScopeRead, s.branding)
	handle(s, h, put("put-brand-image", "/branding/{image}", "Put a logo or a favicon there; to take one away, set it to null in the settings"), desk.ScopeSettings, s.putBrandImage)
}

type brandingView struct {
	desk.Branding
	Light     shadesView `json:"light"`
	Dark      shadesView `json:"dark"`
	Corrected bool       `json:"corrected" doc:"Words in the colour that was picked can't be read on a light page; light.accent is the nearest that can."`
}

type shadesView struct {
	Accent     string `json:"accent" doc:"Of links, and behind the words of buttons."`
	Hover      string `json:"hover"`
	OnAccent   string `json:"on_accent"`
	AccentSoft string `json:"accent_soft"`
	AccentLine string `json:"accent_line"`
}

func viewShades(s palette.Shades) shadesView {
	return shadesView{Accent: s.Accent, Hover: s.Hover, OnAccent: s.On, AccentSoft: s.Soft, AccentLine: s.Line}
}

func (s *server) branding(ctx context.Context, _ *struct{}) (*output[brandingView], error) {
	settings, err := s.DB.Settings(ctx)
	if err != nil {
		return nil, err
	}
	return viewBranding(settings.Branding)
}

func viewBranding(b desk.Branding) (*output[brandingView], error) {
	p, err := palette.Of(cmp.Or(b.Color, palette.Default))
	return &output[brandingView]{brandingView{Branding: b, Light: viewShades(p.Light), Dark: viewShades(p.Dark), Corrected: p.Corrected}}, err
}

type brandImageInput struct {
	Image string `path:"image" enum:"logo,logo_dark,favicon" doc:"Which one: logo_dark is the logo for dark pages, where it is another."`
	Body  struct {
		Content []byte `json:"content" doc:"PNG, JPEG, GIF or WebP of up to 256 KB, in base64."`
	}
}

func (s *server) putBrandImage(ctx context.Context, in *brandImageInput) (*output[brandingView], error) {
	kept, err := tickets.KeepBrandImage(ctx, s.Blobs, bytes.NewReader(in.Body.Content))
	if err != nil {
		return nil, err
	}
	settings, err := s.Desk.SetBrandImage(ctx, in.Image, kept)
	if err != nil {
		return nil, err
	}
	return viewBranding(settings.Branding)
}
