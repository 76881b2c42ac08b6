// Package web serves what the pages of the examples share: a small STOMP client
// and a style sheet. The pages need no network and no build step.
package web

import (
	"embed"
	"net/http"
)

//go:embed stomp.js style.css
var files embed.FS

// Shared serves the shared files; mount it at "/shared/".
func Shared() http.Handler {
	return http.StripPrefix("/shared/", http.FileServerFS(files))
}
