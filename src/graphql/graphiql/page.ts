import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { exampleTabs } from './examples.ts'
import { keyBar, keyBarScript, keyBarStyle } from './key-bar.ts'

interface Resource {
  readonly type: string
  readonly gzipped: Buffer
  readonly tag: string
  /** The content security policy of the page; the files that it loads need none. */
  readonly policy?: string
}

/** Resources by path. The names of loaded files contain a hash of their content, so that browsers can cache them permanently. */
type Resources = ReadonlyMap<string, Resource>

let resources: Promise<Resources> | undefined

const pagePath = '/'
const assetFolder = '/graphiql/'

/** Whether GraphiQL serves this path. */
export function isGraphiQLPath(path: string): boolean {
  return path === pagePath || path.startsWith(assetFolder)
}

/** Answers a GET or HEAD with GraphiQL, which loads nothing from other hosts. Returns false if the path is unknown. */
export async function answerGraphiQL(
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  resources ??= renderResources().catch((error: unknown) => {
    resources = undefined
    throw error
  })
  const resource = (await resources).get(path)
  if (!resource) return false
  const headers = headersOf(path, resource)
  if (request.headers['if-none-match']?.includes(resource.tag)) {
    response.writeHead(304, headers).end()
    return true
  }
  const takesGzip = /\bgzip\b/.test(String(request.headers['accept-encoding']))
  const body = takesGzip ? resource.gzipped : await promisify(gunzip)(resource.gzipped)
  response.writeHead(200, {
    ...headers,
    'content-type': resource.type,
    'content-length': body.length,
    ...(takesGzip && { 'content-encoding': 'gzip' }),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
  return true
}

function headersOf(path: string, { tag, policy }: Resource): Record<string, string> {
  return {
    // A path that contains a hash of the content can be cached permanently. The page itself is revalidated each time, mostly with 304.
    'cache-control': path === pagePath ? 'no-cache' : 'public, max-age=31536000, immutable',
    etag: tag,
    vary: 'accept-encoding',
    ...(policy && { 'content-security-policy': policy }),
  }
}

const startCall = 'YogaGraphiQL.renderYogaGraphiQL('

async function renderResources(): Promise<Resources> {
  // Imported on first use, because it takes 50 MB of memory.
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql')
  const html = renderGraphiQL({
    title: 'Signalbox',
    // Relative: a proxy may serve the page below a prefix of its own.
    endpoint: 'graphql',
    credentials: 'omit',
    defaultTabs: exampleTabs.map(({ query }) => ({ query })),
    defaultEditorToolsVisibility: false,
    // Headers may hold a key, which must not go into the browser's storage.
    shouldPersistHeaders: false,
  })
  const style = between(html, '<style>', '</style>')
  const script = between(html, '<script>', '</script>')
  const startAt = script.lastIndexOf(startCall)
  if (startAt < 0) throw new Error('GraphiQL begins in another way than it did.')
  const stylePath = assetPath(`${style}${keyBarStyle}`, 'css')
  const libraryPath = assetPath(script.slice(0, startAt), 'js')
  const page = html
    .replace(`<style>${style}</style>`, () => `<link rel="stylesheet" href="${relative(stylePath)}">`)
    .replace(/<body[^>]*>/, (body) => `${body}${keyBar}<script>${keyBarScript}</script>`)
    .replace(
      `<script>${script}`,
      () =>
        `<script src="${relative(libraryPath)}"></script><script>signalboxKeyAccepted.then(() => {${script.slice(startAt)}})`,
    )
  return new Map([
    [pagePath, await resourceOf(page, 'text/html', policyOf(page))],
    [stylePath, await resourceOf(`${style}${keyBarStyle}`, 'text/css')],
    [libraryPath, await resourceOf(script.slice(0, startAt), 'text/javascript')],
  ])
}

function between(text: string, start: string, end: string): string {
  const from = text.indexOf(start)
  const to = text.lastIndexOf(end)
  if (from < 0 || to < from) throw new Error(`GraphiQL has no ${start}.`)
  return text.slice(from + start.length, to)
}

/** The path relative to the page, which a proxy may serve below a prefix. */
function relative(path: string): string {
  return path.slice(1)
}

function assetPath(content: string, extension: 'css' | 'js'): string {
  return `${assetFolder}${hashOf(content).slice(0, 32)}.${extension}`
}

function hashOf(content: string): string {
  return createHash('sha256').update(content).digest('hex')
}

async function resourceOf(content: string, type: string, policy?: string): Promise<Resource> {
  const tag = `"${hashOf(content).slice(0, 32)}"`
  const gzipped = await promisify(gzip)(content)
  return { type: `${type}; charset=utf-8`, gzipped, tag, ...(policy !== undefined && { policy }) }
}

/**
 * A content security policy that allows the library and, by their hashes, the scripts of this page. Monaco, the editor, needs inline
 * styles and blob workers.
 */
function policyOf(html: string): string {
  const hashes = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(
    ([, script]) => `'sha256-${createHash('sha256').update(script!).digest('base64')}'`,
  )
  return [
    "default-src 'none'",
    `script-src 'self' ${hashes.join(' ')}`,
    "style-src 'self' 'unsafe-inline'",
    'worker-src blob:',
    "font-src 'self' data:",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
