import type { DocumentNode } from 'graphql'
import { _createLRUCache, createYoga } from 'graphql-yoga'
import type { Actor } from '../../control/kit/context.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { createLoaders } from '../kit/loaders.ts'
import { createErrorMask, type GraphQLLog } from './masked-errors.ts'
import { useReadViews } from '../kit/read-anew.ts'
import { type RequestLimits, useRequestLimits } from './request-limits.ts'
import { useRequestShape } from './request-shape.ts'
import { useUnbufferedEvents } from './unbuffered-events.ts'
import { schema } from '../schema/schema.ts'
import { type TrustedDocuments, useTrustedDocuments } from './trusted-documents.ts'

/** Most bytes of a request's body, and of a WebSocket message. */
export const maxBodyBytes = 1_048_576

/**
 * A cache that stores nothing. Yoga throws a cached error before a plugin runs, so a broken document would be charged and reported only
 * once.
 */
const rememberNothing = { get: () => undefined, set: () => {} }

/** A parsed document takes many times the memory of its text: long documents are parsed each time. */
const maxCachedDocuments = 256
const maxCachedCharacters = 16_384

function createDocumentCache() {
  const documents = _createLRUCache<DocumentNode>({ max: maxCachedDocuments })
  return {
    get: (text: string) => documents.get(text),
    set(text: string, document: DocumentNode): void {
      if (text.length <= maxCachedCharacters) documents.set(text, document)
    },
  }
}

/** What is known of a request before GraphQL looks at it. */
export interface RequestFacts {
  readonly actor: Actor
  readonly requestId: string
  readonly traceHeaders: readonly string[]
  /** Aborted when the client disconnects. */
  readonly signal: AbortSignal
}

export type Yoga = ReturnType<typeof createGraphQLEngine>

/**
 * GraphQL over HTTP with strict settings in place of yoga's permissive defaults. `shared` is the part of the context that all requests
 * have in common.
 */
export function createGraphQLEngine(
  shared: Omit<
    GraphQLContext,
    'actor' | 'requestId' | 'traceHeaders' | 'signal' | 'view' | 'db' | 'usageShippedUntilMs' | 'loaders'
  >,
  log: GraphQLLog,
  limits: RequestLimits,
  trusted: TrustedDocuments | undefined,
) {
  return createYoga<RequestFacts, GraphQLContext>({
    schema,
    graphqlEndpoint: '/graphql',
    landingPage: false,
    graphiql: false,
    cors: false,
    multipart: false,
    batching: false,
    maxRequestBodySize: maxBodyBytes,
    logging: false,
    parserAndValidationCache: { documentCache: createDocumentCache(), errorCache: rememberNothing },
    maskedErrors: { maskError: createErrorMask(log) },
    context: ({ actor, requestId, traceHeaders, signal }) => {
      const view = shared.reads.openReadView()
      signal.addEventListener('abort', () => view.abort(), { once: true })
      const usageShippedUntilMs = shared.live.usageCompleteUntilMs?.() ?? Infinity
      const read = { view, db: view.db, usageShippedUntilMs, loaders: createLoaders(view.db) }
      return { ...shared, actor, requestId, traceHeaders, signal, ...read }
    },
    // Trusted documents come first: they replace the id by the text.
    plugins: [
      ...(trusted ? [useTrustedDocuments(trusted)] : []),
      useRequestShape(),
      useRequestLimits(limits),
      useReadViews(),
      useUnbufferedEvents(),
    ],
  })
}
