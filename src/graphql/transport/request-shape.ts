import type { Plugin } from 'graphql-yoga'
import type { GraphQLError } from 'graphql'
import { fault } from '../kit/fault.ts'

/** Refuses malformed requests of GraphQL over HTTP with 400, whatever the client accepts. Yoga does not check these two cases. */
export function useRequestShape(): Plugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser }) {
      if (request.method !== 'GET' || !requestParser) return
      setRequestParser(async (each) => {
        try {
          return await requestParser(each)
        } catch (error) {
          throw error instanceof SyntaxError ? noRequest('`variables` and `extensions` are JSON.') : error
        }
      })
    },
    onParams({ params }) {
      // Clients of the protocol send the text next, and no hashes from then on.
      if (params.query == null && params.extensions?.['persistedQuery'] != null) throw persistedQueriesUnknown()
      if (params.query == null) throw noRequest('There is no `query`: send the text of an operation in it.')
    },
  }
}

/**
 * This message and code make clients of the protocol continue without hashes
 * (https://www.apollographql.com/docs/react/api/link/persisted-queries).
 */
function persistedQueriesUnknown(): GraphQLError {
  return fault('PERSISTED_QUERY_NOT_SUPPORTED', 'PersistedQueryNotSupported', { extensions: { http: { status: 200 } } })
}

function noRequest(message: string): GraphQLError {
  return fault('BAD_REQUEST', message, { extensions: { http: { status: 400 } } })
}
