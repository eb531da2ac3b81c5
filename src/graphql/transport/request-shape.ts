import type { Plugin } from 'graphql-yoga'
import type { GraphQLError } from 'graphql'
import { fault } from '../kit/fault.ts'

/** Refuses what is no request of GraphQL over HTTP with 400, whatever the client accepts; yoga leaves these two out. */
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
      // Clients that know it send the text of the operation next, and no hashes from then on.
      if (params.query == null && params.extensions?.['persistedQuery'] != null) throw persistedQueriesUnknown()
      if (params.query == null) throw noRequest('There is no `query`: send the text of an operation in it.')
    },
  }
}

/** By this message and code clients of the protocol go on without hashes (https://www.apollographql.com/docs/react/api/link/persisted-queries). */
function persistedQueriesUnknown(): GraphQLError {
  return fault('PERSISTED_QUERY_NOT_SUPPORTED', 'PersistedQueryNotSupported', { extensions: { http: { status: 200 } } })
}

function noRequest(message: string): GraphQLError {
  return fault('BAD_REQUEST', message, { extensions: { http: { status: 400 } } })
}
