#!/bin/sh
# Makes the signed archive beside this script, with a throw-away key: run it in its folder to refresh the corpus.
# Three packages of no content; what matters is the index, its signature, and that all of it fits together.
set -eu
export GNUPGHOME="$(mktemp -d)"
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
key() { gpg --batch --quiet --passphrase '' --quick-gen-key "$1" ed25519 sign never; gpg --batch --export "$1"; }
key "labctl test archive" > trusted.gpg
key "labctl test stranger" > stranger.gpg
gpg --batch --armor --export "labctl test archive" > trusted.asc
rm -rf dists pool
index=dists/trixie/main/binary-amd64
mkdir -p "$index" pool/main
: > "$index/Packages"
package() { # name version depends
    file="pool/main/$1_$2_amd64.deb"
    yes "$1 $2" | head -c "$4" > "$file"
    { printf 'Package: %s\nVersion: %s\nArchitecture: amd64\n' "$1" "$2"
      [ -z "$3" ] || printf 'Depends: %s\n' "$3"
      printf 'Filename: %s\nSize: %s\nSHA256: %s\n\n' "$file" "$(stat -c %s "$file")" "$(sha256sum < "$file" | cut -d' ' -f1)"
    } >> "$index/Packages"
}
package shell 2.0-1 'libsmall (= 1.1-1)' 40000
package libsmall 1.1-1 '' 300
package tool 3-1 'shell' 5000
xz --keep --force "$index/Packages"
rm "$index/Packages"
sum="$(sha256sum < "$index/Packages.xz" | cut -d' ' -f1) $(stat -c %s "$index/Packages.xz") main/binary-amd64/Packages.xz"
release() { # file date valid-until
    printf 'Origin: Test\nSuite: stable\nCodename: trixie\nVersion: 13.9\nDate: %s\n%sSHA256:\n %s\n' "$2" "$3" "$sum" > Release
    gpg --batch --quiet --yes --local-user "$4" --clearsign --output "$1" Release
    rm Release
}
release dists/trixie/InRelease 'Sat, 01 Aug 2026 00:00:00 UTC' '' 'labctl test archive'
release dists/trixie/InRelease.stale 'Sat, 01 Aug 2020 00:00:00 UTC' 'Valid-Until: Sat, 08 Aug 2020 00:00:00 UTC
' 'labctl test archive'
release dists/trixie/InRelease.stranger 'Sat, 01 Aug 2026 00:00:00 UTC' '' 'labctl test stranger'
