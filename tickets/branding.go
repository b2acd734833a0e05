package tickets

import (
	"bytes"
	"context"
	"fmt"
	"image"
	_ "image/gif"  // what a logo may be
	_ "image/jpeg" // the same
	_ "image/png"  // the same
	"io"
	"net/http"
	"slices"

	_ "golang.org/x/image/webp" // the same

	"postern/desk"
)

// KeepBrandImage keeps the bytes of a logo or a favicon, durably, to be named in the settings. SVG is refused: it can act.
func KeepBrandImage(ctx context.Context, blobs Pictures, r io.Reader) (desk.BrandImage, error) {
	b, err := io.ReadAll(io.LimitReader(r, desk.MaxBrandImage+1))
	if err != nil {
		return desk.BrandImage{}, err
	}
	if len(b) > desk.MaxBrandImage {
		return desk.BrandImage{}, &desk.Error{Kind: desk.TooLarge, Field: "branding", Text: fmt.Sprintf("the picture is larger than %d KB; every page shows it, so make it smaller", desk.MaxBrandImage>>10)}
	}
	media := http.DetectContentType(b)
	if !slices.Contains(desk.BrandImageTypes(), media) {
		return desk.BrandImage{}, desk.Refuse("branding", "the picture is none of PNG, JPEG, GIF and WebP; save it as PNG (SVG is not taken: it can hold programs)")
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil || size.Width < 1 || size.Height < 1 {
		return desk.BrandImage{}, desk.Refuse("branding", "the picture is damaged: %v", err)
	}
	out := desk.BrandImage{Type: media, Width: size.Width, Height: size.Height}
	out.SHA256, out.Size, err = blobs.Put(ctx, bytes.NewReader(b))
	return out, err
}

// SetBrandImage has pages show a picture that was kept: which is logo, logo_dark or favicon. It gives the new settings.
func (d *Desk) SetBrandImage(ctx context.Context, which string, b desk.BrandImage) (desk.Settings, error) {
	return d.ChangeSettings(ctx, map[string]any{"branding": map[string]any{which: BrandImageChange(b)}})
}

// BrandImageChange is a picture as a change of the settings names it.
func BrandImageChange(b desk.BrandImage) map[string]any {
	return map[string]any{"sha256": b.SHA256, "type": b.Type, "width": b.Width, "height": b.Height, "size": b.Size}
}
