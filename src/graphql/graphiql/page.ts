import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { exampleTabs } from './examples.ts'
import { keyBar } from './key-bar.ts'

interface Page {
  readonly gzipped: Buffer
  readonly policy: string
}

let page: Promise<Page> | undefined

/** Answers a GET or HEAD with GraphiQL, which loads nothing from elsewhere. */
export async function answerGraphiQL(request: IncomingMessage, response: ServerResponse): Promise<void> {
  page ??= renderPage().catch((error: unknown) => {
    page = undefined
    throw error
  })
  const { gzipped, policy } = await page
  const takesGzip = /\bgzip\b/.test(String(request.headers['accept-encoding']))
  const body = takesGzip ? gzipped : await promisify(gunzip)(gzipped)
  response.writeHead(200, {
    'content-type': 'text/html; charset=utf-8',
    'content-length': body.length,
    'content-security-policy': policy,
    vary: 'accept-encoding',
    ...(takesGzip && { 'content-encoding': 'gzip' }),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

async function renderPage(): Promise<Page> {
  // Imported when it is first wanted: it takes 50 MB.
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql')
  const html = renderGraphiQL({
    title: 'Signalbox',
    // Relative: a proxy may serve the page below a prefix of its own.
    endpoint: 'graphql',
    credentials: 'omit',
    defaultTabs: [...exampleTabs],
    defaultEditorToolsVisibility: false,
    // Headers may hold a key: they are not for the browser's storage.
    shouldPersistHeaders: false,
  }).replace(/<body[^>]*>/, (body) => `${body}${keyBar}`)
  return { gzipped: await promisify(gzip)(html), policy: policyOf(html) }
}

/** Only the scripts of this page run, known by their hashes; Monaco, the editor, needs inline styles and blob workers. */
function policyOf(html: string): string {
  const hashes = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(
    ([, script]) => `'sha256-${createHash('sha256').update(script!).digest('base64')}'`,
  )
  return [
    "default-src 'none'",
    `script-src ${hashes.join(' ')}`,
    "style-src 'unsafe-inline'",
    'worker-src blob:',
    'font-src data:',
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
