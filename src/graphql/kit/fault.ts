import { GraphQLError, type GraphQLErrorOptions } from 'graphql'

export interface FaultFacts {
  /** When the fault occurs. */
  readonly meaning: string
  /** What the caller can do. */
  readonly remedy: string
}

/**
 * Faults of a request or of the server, by the `extensions.code` of a top-level error. Failures of a mutation that a caller can act on
 * are `UserError`s instead. A test compares this table with `docs/errors.md`.
 */
export const graphqlFaults = {
  UNAUTHENTICATED: {
    meaning: 'The request has no active key (HTTP 401); in a subscription: its key was revoked or has expired.',
    remedy: 'Send the key of an active user as `Authorization: Bearer …`.',
  },
  FORBIDDEN: {
    meaning: 'The key does not have the scope that the field needs, or its owner does not have the role.',
    remedy: 'Use a key with that scope; the message names it.',
  },
  BAD_REQUEST: {
    meaning:
      'The request is not valid GraphQL over HTTP: malformed JSON, no `query`, an unknown or wrong member, an array (HTTP 400), or a method that the operation or the path does not take (HTTP 405).',
    remedy: 'Send one JSON object by POST, with `query` and, if needed, `variables`, `operationName` and `extensions`.',
  },
  PERSISTED_QUERY_NOT_SUPPORTED: {
    meaning: 'The request has a hash instead of a document, as clients of persisted queries send first (HTTP 200).',
    remedy: 'Send the document in `query`; these clients do so automatically.',
  },
  DOCUMENT_NOT_TRUSTED: {
    meaning: 'With `SIGNALBOX_TRUSTED_DOCUMENTS_DIR` only the documents of that folder may run (HTTP 400).',
    remedy:
      'Send the id of such a document as `extensions.persistedQuery.sha256Hash`, and no `query`; add missing documents to the folder.',
  },
  OPERATION_RESOLUTION_FAILURE: {
    meaning: 'The document has no operation of that name, or several and none was named (HTTP 400).',
    remedy: 'Name one of its operations as `operationName`.',
  },
  REQUEST_ENTITY_TOO_LARGE: {
    meaning: 'The body has more than 1 MiB (HTTP 413).',
    remedy: 'Send less at a time, and values as variables.',
  },
  GRAPHQL_PARSE_FAILED: {
    meaning: 'The document is not GraphQL.',
    remedy: 'Correct the syntax at the place that `locations` names.',
  },
  GRAPHQL_VALIDATION_FAILED: {
    meaning: 'The document does not fit the schema; `errors` lists at most 100 faults.',
    remedy: 'Compare it with `schema.graphql`; the message names what is unknown.',
  },
  BAD_USER_INPUT: {
    meaning:
      'A value of an argument or variable has the wrong type, is null where it must not be, or is out of bounds.',
    remedy: 'Send the value that the message describes, at the place that it names.',
  },
  QUERY_TOO_COMPLEX: {
    meaning:
      'The operation exceeds a bound: on cost, depth, aliases, directives, repeated fields or fields of a mutation.',
    remedy: 'Request less at a time; `extensions.cost` shows the cost of an operation.',
  },
  RATE_LIMITED: {
    meaning:
      'The operations of the key cost more per minute than `SIGNALBOX_API_COST_PER_MINUTE` allows (HTTP 429), e.g. because a script runs in a loop.',
    remedy: 'Wait as long as `retry-after` and `extensions.retryAfterMs` say; subscribe instead of polling.',
  },
  OVERLOADED: {
    meaning: 'So many changes were under way that this one had to wait for five minutes. Nothing was changed.',
    remedy: 'Try again later, with fewer changes at a time; `routeTrafficBulkSet` switches 100 routes in one.',
  },
  NOT_FOUND: {
    meaning: 'An object that the field needs does not exist or was deleted; or the path is unknown (HTTP 404).',
    remedy: 'Read the objects again.',
  },
  NOT_ACCEPTABLE: {
    meaning:
      'The `Accept` header allows no media type of the answer; a subscription is `text/event-stream` (HTTP 406).',
    remedy: 'Send `accept: application/graphql-response+json`, or `text/event-stream` for a subscription.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    meaning: 'The body of a POST is not JSON (HTTP 415).',
    remedy: 'Send `content-type: application/json`.',
  },
  INTERNAL_SERVER_ERROR: {
    meaning: 'The platform failed, or cannot reach its database.',
    remedy: 'Try again. If it persists, report it with `extensions.requestId`, under which the log has the cause.',
  },
} as const satisfies Record<string, FaultFacts>

export type FaultCode = keyof typeof graphqlFaults

/** An error that is sent to the client unchanged; all other errors are masked. */
export function fault(code: FaultCode, message: string, options: GraphQLErrorOptions = {}): GraphQLError {
  return new GraphQLError(message, { ...options, extensions: { code, ...options.extensions } })
}

export function badUserInput(message: string): GraphQLError {
  return fault('BAD_USER_INPUT', message)
}
