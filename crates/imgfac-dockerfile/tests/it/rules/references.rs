//! Image names.

use super::check;

#[test]
fn names_are_made_whole() {
    check("FROM a\n", "a:latest");
    check("FROM a/b\n", "a/b:latest");
    check("FROM a:1\n", "a:1");
    check("FROM docker.io/a\n", "a:latest");
    check("FROM docker.io/a/b\n", "a/b:latest");
    check("FROM index.docker.io/a\n", "a:latest");
    check("FROM library/a\n", "a:latest");
    check("FROM a.b/c\n", "a.b/c:latest");
    check("FROM a:5000/b\n", "a:5000/b:latest");
    check("FROM localhost/a\n", "localhost/a:latest");
    check("FROM Host/a\n", "Host/a:latest");
    check("FROM LOCAL:1/a:2\n", "LOCAL:1/a:2");
    check(
        "FROM a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
        "a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    );
    check(
        "FROM a:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
        "a:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    );
    check("FROM a__b/c---d.e\n", "a__b/c---d.e:latest");
    check("FROM [::1]:5000/a\n", "[::1]:5000/a:latest");
}

#[test]
fn bad_names_are_refused() {
    check("FROM A\n", "resolve");
    check("FROM a/B\n", "resolve");
    check("FROM a:\n", "resolve");
    check("FROM a:-b\n", "resolve");
    check("FROM :a\n", "resolve");
    check("FROM a@\n", "resolve");
    check("FROM a@sha256:ab\n", "resolve");
    check("FROM a@md5:0123456789abcdef0123456789abcdef\n", "resolve");
    check(
        "FROM a@sha256:0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF\n",
        "resolve",
    );
    check(
        "FROM 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
        "resolve",
    );
    check("FROM a..b\n", "resolve");
    check("FROM a//b\n", "resolve");
    check("FROM /a\n", "resolve");
    check("FROM a/\n", "resolve");
    check("FROM -a\n", "resolve");
    check("FROM a:b:c\n", "resolve");
    check(
        "FROM aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
        "resolve",
    );
    check(
        "FROM a:ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt\n",
        "resolve",
    );
    check("FROM é\n", "resolve");
    check("FROM a:é\n", "resolve");
}

#[test]
fn spellings_of_one_image_are_one() {
    check(
        "FROM a\nFROM docker.io/library/a:latest\nCOPY --from=index.docker.io/a b c\n",
        "a:latest",
    );
    check("FROM a:1\nFROM a:2\nFROM a:1\n", "a:1 ~a:2");
    check(
        "FROM a\nCOPY --from=b c d\nFROM e\nRUN --mount=from=f,target=/x y\nCOPY --from=g h i\nFROM j\n",
        "~a:latest ~e:latest j:latest ~b:latest ~f:latest ~g:latest",
    );
}
