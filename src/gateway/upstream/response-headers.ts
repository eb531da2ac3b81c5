/** What clients see of an upstream's response headers. */

/** `set-cookie`, `server` and hop-by-hop headers are not here, and so never pass. The length of the body passes on its own. */
export const passedNames: readonly string[] = [
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
]

/** Whether headers whose names begin like this one pass as well; `name` is in lower case. */
export function hasPassedPrefix(name: string): boolean {
  return name.startsWith('x-ratelimit-') || name.startsWith('anthropic-ratelimit-')
}
