import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ConsoleFile, type ConsoleFiles, type FileCoding, digestOf, readConsoleFiles } from './console-files.ts'
import { relayTry } from './try-relay.ts'

/** The console at `/console` and below, from memory. */
export interface ConsolePages {
  /** Answers a request whose URL `isConsoleUrl`. Rejects if the files cannot be read. */
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>
}

export function isConsoleUrl(url = ''): boolean {
  return /^\/console(?:[/?]|$)/.test(url)
}

export interface ConsolePagesOptions {
  /** Asked again until there is something: a console that is built later needs no restart. */
  readonly read?: () => Promise<ConsoleFiles | undefined>
  /** Of this process; undefined: it does not listen. */
  readonly gatewayUrl?: () => string | undefined
}

export function createConsolePages({
  read = readConsoleFiles,
  gatewayUrl = () => undefined,
}: ConsolePagesOptions = {}): ConsolePages {
  let files: ConsoleFiles | undefined
  return {
    async answer(request, response) {
      setSecurityHeaders(response)
      if (request.url === '/console/try' && request.method === 'POST') return relayTry(request, response, gatewayUrl())
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return send(request, response, 405, plain('The console is a page: open it in a browser.'), {
          allow: 'GET, HEAD',
        })
      files ??= await read()
      if (!files) return send(request, response, 503, page(notBuilt), { 'cache-control': 'no-store' })
      const path = pathBelow(request.url ?? '')
      const file = files.files.get(path)
      if (file) return sendFile(request, response, file)
      // Only files have a dot or are in assets. Every other path is a screen, which the page itself shows.
      if (/^assets\/|\.\w+$/.test(path)) return send(request, response, 404, plain('There is no such file.'))
      return sendPage(request, response, files.page, gatewayUrl())
    },
  }
}

/** The part of the path after `/console/`. */
function pathBelow(url: string): string {
  return url.split('?', 1)[0]!.replace(/^\/console\/?/, '')
}

function sendFile(request: IncomingMessage, response: ServerResponse, file: ConsoleFile): void {
  const coding = bestCoding(request.headers['accept-encoding'] ?? '', file)
  const headers = {
    'cache-control': file.isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
    vary: 'accept-encoding',
    etag: `"${file.digest}${coding === 'identity' ? '' : `-${coding}`}"`,
    ...(coding !== 'identity' && { 'content-encoding': coding }),
  }
  sendIfChanged(request, response, { type: file.type, body: file.bodies[coding]! }, headers)
}

function sendPage(request: IncomingMessage, response: ServerResponse, html: string, gatewayUrl = ''): void {
  const body = html
    .replace('<base href="./" />', `<base href="${baseOf(request.url ?? '')}" />`)
    .replace('name="signalbox-gateway" content=""', `name="signalbox-gateway" content="${gatewayUrl}"`)
  sendIfChanged(request, response, page(body), { 'cache-control': 'no-cache', etag: `"${digestOf(body)}"` })
}

/**
 * The way from the requested address to `/console/`, relative: a proxy may serve all of this below a prefix that nobody here knows.
 * `/console` → `console/`, `/console/` → `./`, `/console/routes/x` → `../`.
 */
function baseOf(url: string): string {
  const depth = url.split('?', 1)[0]!.split('/').length - 3
  if (depth < 0) return 'console/'
  return depth === 0 ? './' : '../'.repeat(depth)
}

interface Content {
  readonly type: string
  readonly body: Buffer | string
}

function page(body: string): Content {
  return { type: 'text/html; charset=utf-8', body }
}

function plain(text: string): Content {
  return { type: 'text/plain; charset=utf-8', body: `${text}\n` }
}

type Headers = Readonly<Record<string, string>> & { readonly etag?: string }

function sendIfChanged(request: IncomingMessage, response: ServerResponse, content: Content, headers: Headers): void {
  const known = (request.headers['if-none-match'] ?? '').split(/\s*,\s*/)
  if (known.includes(headers.etag!) || known.includes(`W/${headers.etag}`)) response.writeHead(304, headers).end()
  else send(request, response, 200, content, headers)
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  { type, body }: Content,
  headers: Headers = {},
): void {
  response.writeHead(status, { ...headers, 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** The smallest encoding that the client accepts (RFC 9110, section 12.5.3). */
function bestCoding(acceptEncoding: string, file: ConsoleFile): FileCoding {
  const refused = new Set<string>()
  const taken = new Set<string>()
  for (const part of acceptEncoding.toLowerCase().split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim())
    const isRefused = parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
    ;(isRefused ? refused : taken).add(name)
  }
  const takes = (name: string) => taken.has(name) || (taken.has('*') && !refused.has(name))
  return (['br', 'gzip'] as const).find((name) => file.bodies[name] && takes(name)) ?? 'identity'
}

/** Nothing but what this server sends: no inline script or style, no other origin, no frame. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

function setSecurityHeaders(response: ServerResponse): void {
  response.setHeader('content-security-policy', policy)
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('x-frame-options', 'DENY')
  response.setHeader('referrer-policy', 'no-referrer')
  response.setHeader('cross-origin-opener-policy', 'same-origin')
  response.setHeader('cross-origin-resource-policy', 'same-origin')
}

const notBuilt = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Signalbox: the console is not built</title>
<h1>The console is not built</h1>
<p>It is built by <code>npm ci</code>, unless that ran with <code>--ignore-scripts</code> or <code>--omit=dev</code>. In the folder of Signalbox run</p>
<pre>npm ci &amp;&amp; npm run console</pre>
<p>and load this page again; Signalbox need not be restarted. The API and GraphiQL work without the console.</p>
`
