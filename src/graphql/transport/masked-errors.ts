import { AsyncLocalStorage } from 'node:async_hooks'
import { GraphQLError } from 'graphql'

/** The part of a logger that is used here. */
export interface GraphQLLog {
  debug(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** The id of the request that is being answered. */
export const requestIds = new AsyncLocalStorage<string>()

/**
 * Creates the function that hides internal errors from clients. Errors that are meant for clients pass unchanged; for all others the
 * client gets a general message, and the log has the details under the same request id.
 */
export function createErrorMask(log: GraphQLLog): (error: unknown) => Error {
  return (error) => {
    if (isMeantForClients(error)) return error
    const requestId = requestIds.getStore() ?? null
    log.error({ err: causeOf(error), requestId }, 'a resolver failed')
    return new GraphQLError(
      `Something is wrong here, not with the request. The log has more, at request ${requestId}.`,
      {
        ...errorPlaceOf(error),
        extensions: { code: 'INTERNAL_SERVER_ERROR', requestId, unexpected: true },
      },
    )
  }
}

function isMeantForClients(error: unknown): error is GraphQLError {
  if (!(error instanceof GraphQLError)) return false
  const cause = error.originalError ?? error.cause
  return cause == null || isMeantForClients(cause)
}

function causeOf(error: unknown): unknown {
  return error instanceof GraphQLError ? (error.originalError ?? error.cause ?? error) : error
}

function errorPlaceOf(error: unknown): { nodes?: GraphQLError['nodes']; path?: GraphQLError['path'] } {
  return error instanceof GraphQLError ? { nodes: error.nodes, path: error.path } : {}
}
