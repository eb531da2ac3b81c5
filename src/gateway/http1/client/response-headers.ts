/** What clients see of an upstream's response headers. */

/**
 * `set-cookie`, `server` and hop-by-hop headers are not here, and so never pass; nor `x-ratelimit-*` and `anthropic-ratelimit-*`, which
 * speak of the operator's account. The length of the body passes on its own.
 */
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
