/** What clients see of an upstream's response headers, and what the gateway adds to every answer. */
import type { IncomingHttpHeaders } from 'node:http'

/** `set-cookie`, `server` and hop-by-hop headers are not here, and so never pass. */
const passedNames = new Set([
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'date',
  'openai-processing-ms',
  'openai-version',
  'request-id',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
])

/** Adds the part of an upstream's headers that the client sees: name, value, name, value, … */
export function passedHeaders(headers: IncomingHttpHeaders, passed: string[]): void {
  for (const name in headers) {
    if (!passedNames.has(name) && !name.startsWith('x-ratelimit-') && !name.startsWith('anthropic-ratelimit-')) continue
    const value = headers[name]
    if (Array.isArray(value)) for (const one of value) passed.push(name, one)
    else if (value !== undefined) passed.push(name, value)
  }
}
