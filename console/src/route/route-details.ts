import { graphql, type ResultOf } from '../api/graphql.ts'

export const RouteDetails = graphql(`
  query RouteDetails($id: ID!) {
    route(by: { id: $id }) {
      id
      name
      description
      revision
      state
      affinity
      balancing
      readyTargets
      revisions(first: 1) {
        edges {
          node {
            id
            number
            kind
            actorLabel
            reason
            createdAt
          }
        }
      }
      targets {
        id
        weight
        share
        availability
        backend {
          __typename
          id
          label
          upstreamModel
          state
          health {
            circuit
            lastError
          }
        }
      }
      fallback {
        triggers
        maxAttempts
        backends {
          __typename
          id
          label
        }
      }
      access {
        policy
        users {
          id
          name
        }
        apiKeys {
          id
          name
        }
      }
    }
  }
`)

export type RouteDetail = NonNullable<ResultOf<typeof RouteDetails>['route']>
