/**
 * The head of a part of multipart/form-data (RFC 7578 § 4.2). Strict: two servers that read one head in two ways would see two
 * different models, and the gateway only one of them.
 */
import { type Parameter, readParameters, valueOf } from '../http1/header-parameters.ts'

export interface PartHead {
  /** Empty: it has none. */
  readonly name: string
  /** Whether its content says something else once it is decoded. */
  readonly isEncoded: boolean
}

export interface PartHeadFault {
  readonly fault: string
}

interface Header {
  /** In lower case. */
  readonly name: string
  readonly value: string
}

/** What may stand nowhere: control characters, and a CR or LF without the other. */
const forbidden = /[^\t\r\n\x20-\x7e\x80-\xff]|\r(?!\n)|(?<!\r)\n/
const header = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*)$/
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const identityEncoding = /^(?:7bit|8bit|binary)[ \t]*$/i

/** Reads its text, one character for each byte, without the empty line at its end. */
export function readPartHead(text: string): PartHead | PartHeadFault {
  if (forbidden.test(text)) return { fault: 'the head of a part has characters that may not be there' }
  if (/^[ \t]/m.test(text)) return { fault: 'a header of a part is folded' }
  const headers = readHeaders(text)
  if (!headers) return { fault: 'a header of a part is malformed' }
  const [disposition, second] = headers.filter(({ name }) => name === 'content-disposition')
  if (second) return { fault: 'a part has two Content-Disposition' }
  // Without any header, Werkzeug and others take the content for the head.
  if (!disposition) return { fault: 'a part has no Content-Disposition' }
  const name = readName(disposition.value)
  if (typeof name !== 'string') return name
  return { name, isEncoded: headers.some(isEncoding) }
}

function readHeaders(text: string): readonly Header[] | undefined {
  const headers: Header[] = []
  for (const line of text === '' ? [] : text.split('\r\n')) {
    const match = header.exec(line)
    if (!match) return undefined
    headers.push({ name: match[1]!.toLowerCase(), value: match[2]! })
  }
  return headers
}

function isEncoding({ name, value }: Header): boolean {
  return name === 'content-transfer-encoding' && !identityEncoding.test(value)
}

function readName(disposition: string): string | PartHeadFault {
  const parameters = readParameters(disposition)
  if (!parameters) return { fault: 'the Content-Disposition of a part is malformed' }
  if (parameters.some(({ name }) => name.startsWith('name*'))) return { fault: 'a part has a `name*`' }
  if (parameters.some(hidesName)) return { fault: 'the name of a part can be read in two ways' }
  const [name, second] = parameters.filter((parameter) => parameter.name === 'name')
  if (second) return { fault: 'a part has two names' }
  if (name && !name.isQuoted && !token.test(name.raw)) return { fault: 'the name of a part is malformed' }
  return name ? valueOf(name) : ''
}

/**
 * Whether a quoted value holds all of a `; name=…;`. cpp-httplib, on which llama.cpp and whisper.cpp stand, splits at each
 * semicolon, and Python's `email`, on which Starlette stands, takes the quote behind `\\` for an escaped one.
 */
function hidesName({ raw }: Parameter): boolean {
  return /;\s*name[^=;"]*=[^;"]*;/i.test(raw)
}
