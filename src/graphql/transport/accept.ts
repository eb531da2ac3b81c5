/** The media type of a subscription. */
export const eventStream = 'text/event-stream'

/** The media types of an answer. */
export const answerTypes = ['application/graphql-response+json', 'application/json', eventStream] as const

/** Whether an `Accept` header (RFC 9110, section 12.5.1) accepts one of the types. Like yoga it ignores weights. */
export function accepts(accept: string | null | undefined, types: readonly string[]): boolean {
  const ranges = (accept || '*/*').replace(/\s/g, '').toLowerCase().split(',').filter(isUtf8)
  return ranges.some((range) => {
    const [main, sub] = range.split(';', 1)[0]!.split('/')
    return types.some((type) => {
      const [typeMain, typeSub] = type.split('/')
      return (main === '*' || main === typeMain) && (sub === '*' || sub === typeSub)
    })
  })
}

function isUtf8(range: string): boolean {
  const charset = /;charset=([^;]*)/.exec(range)?.[1]
  return charset === undefined || charset === 'utf-8'
}
