import { graphql, type ResultOf, type VariablesOf } from '../api/graphql.ts'

export const Requests = graphql(`
  query Requests($first: Int!, $filter: UsageFilterInput) {
    requestLogs(first: $first, filter: $filter) {
      edges {
        node {
          id
          startedAt
          operation
          requestedModel
          routeName
          routeRevision
          apiKeyName
          userName
          outcome
          status
          stream
          provenance
          inputTokens
          outputTokens
          cost
          firstByteMs
          durationMs
          overheadMs
          errorCode
          attempts {
            number
            backendLabel
            endpointUrl
            status
            trigger
            durationMs
            credentialHint
            error
            upstreamRequestId
          }
        }
      }
    }
  }
`)

export const RequestTail = graphql(`
  subscription RequestTail($filter: UsageFilterInput) {
    requestLogged(filter: $filter) {
      dropped
      requestLog {
        id
        startedAt
        operation
        requestedModel
        routeName
        routeRevision
        apiKeyName
        userName
        outcome
        status
        stream
        provenance
        inputTokens
        outputTokens
        cost
        firstByteMs
        durationMs
        overheadMs
        errorCode
        attempts {
          number
          backendLabel
          endpointUrl
          status
          trigger
          durationMs
          credentialHint
          error
          upstreamRequestId
        }
      }
    }
  }
`)

export const FilterChoices = graphql(`
  query FilterChoices {
    routes(first: 100, orderBy: { field: NAME }) {
      edges {
        node {
          id
          name
        }
      }
    }
    apiKeys(first: 100) {
      edges {
        node {
          id
          name
        }
      }
    }
  }
`)

export type Logged = ResultOf<typeof RequestTail>['requestLogged']['requestLog']
export type UsageFilter = NonNullable<VariablesOf<typeof Requests>['filter']>
