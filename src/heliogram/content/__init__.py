"""What a message says: IETF MIMI content in deterministic CBOR, and what people do with it.

`making` makes messages, `bodies` reads them, `revisions` judges edits; `mimi` is the format, `status` the
reports about delivery, `framing` the media type around both, `padding` the sizes that the outside sees. This
package does no I/O, and draws no randomness: salts come from the caller. `docs/content.md` is its law.

    message = making.post(making.plain("Hello"), entropy=entropy)
    data = framing.framed(framing.MIMI_CONTENT, message.encode())
"""
