import { GraphQLError, type GraphQLErrorOptions } from 'graphql'

/** Faults of a request, as `extensions.code` of a top-level error. Failures that a caller can act on are `UserError`s instead. */
export type FaultCode =
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'BAD_USER_INPUT'
  | 'NOT_FOUND'
  | 'QUERY_TOO_COMPLEX'
  | 'UNSUPPORTED_MEDIA_TYPE'

/** An error that the client is told of as it is; any other is masked. */
export function fault(code: FaultCode, message: string, options: GraphQLErrorOptions = {}): GraphQLError {
  return new GraphQLError(message, { ...options, extensions: { code, ...options.extensions } })
}

export function badUserInput(message: string): GraphQLError {
  return fault('BAD_USER_INPUT', message)
}
