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
    meaning: 'No key came, or none that is active (HTTP 401); in a subscription: its key was revoked or has expired.',
    remedy: 'Send the key of an active user as `Authorization: Bearer …`.',
  },
  FORBIDDEN: {
    meaning: 'The key has not the scope that the field needs, or its owner not the role.',
    remedy: 'Use a key with that scope; the message names it.',
  },
  BAD_REQUEST: {
    meaning:
      'What came is no request of GraphQL over HTTP: malformed JSON, no `query`, an unknown or wrong member, an array (HTTP 400), or another method than the operation or the path takes (HTTP 405).',
    remedy: 'Send one JSON object with `query`, and `variables`, `operationName` and `extensions` if need be, by POST.',
  },
  PERSISTED_QUERY_NOT_SUPPORTED: {
    meaning: 'A hash came in place of a document, as clients of persisted queries try it first (HTTP 200).',
    remedy: 'Send the document in `query`; such clients do it by themselves.',
  },
  DOCUMENT_NOT_TRUSTED: {
    meaning: 'With `SIGNALBOX_TRUSTED_DOCUMENTS_DIR` only the documents of that folder are run (HTTP 400).',
    remedy:
      'Send the id of one as `extensions.persistedQuery.sha256Hash`, and no `query`; add what is missing to the folder.',
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
    remedy: 'Mend the syntax at the place that `locations` names.',
  },
  GRAPHQL_VALIDATION_FAILED: {
    meaning: 'The document does not fit the schema; of its faults at most 100 are told.',
    remedy: 'Compare it with `schema.graphql`; the message names what is unknown.',
  },
  BAD_USER_INPUT: {
    meaning: 'A value of an argument or variable is of the wrong type, null where it cannot be, or out of its bounds.',
    remedy: 'Send what the message asks for, at the place that it names.',
  },
  QUERY_TOO_COMPLEX: {
    meaning:
      'The operation asks for more than one may: by cost, depth, aliases, directives, repeated fields or fields of a mutation.',
    remedy: 'Ask for less at a time; `extensions.cost` tells the price of an operation.',
  },
  RATE_LIMITED: {
    meaning:
      'The operations of the key cost more in a minute than `SIGNALBOX_API_COST_PER_MINUTE` (HTTP 429), as a script in a loop does.',
    remedy:
      'Wait for as long as `retry-after` and `extensions.retryAfterMs` say; subscribe rather than ask again and again.',
  },
  NOT_FOUND: {
    meaning: 'What the field needs does not exist, or not any more; an unknown path (HTTP 404).',
    remedy: 'Read again what there is.',
  },
  NOT_ACCEPTABLE: {
    meaning:
      'The `Accept` header takes nothing that the answer could be; a subscription is `text/event-stream` (HTTP 406).',
    remedy: 'Send `accept: application/graphql-response+json`, or `text/event-stream` for a subscription.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    meaning: 'The body of a POST is not JSON (HTTP 415).',
    remedy: 'Send `content-type: application/json`.',
  },
  INTERNAL_SERVER_ERROR: {
    meaning: 'The fault is here: in the platform, or its database is away.',
    remedy: 'Try again; if it stays, report it with `extensions.requestId`, by which the log has the cause.',
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
