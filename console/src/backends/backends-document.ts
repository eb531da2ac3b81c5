import { graphql, type ResultOf } from '../api/graphql.ts'

export const Backends = graphql(`
  query Backends {
    deployments(first: 100, orderBy: { field: NAME }) {
      edges {
        node {
          id
          name
          description
          revision
          engine
          upstreamModel
          state
          readyEndpoints
          health {
            circuit
            lastError
          }
          warnings {
            code
            message
          }
          routes(first: 5) {
            totalCount
            edges {
              node {
                id
                name
              }
            }
          }
          endpoints {
            id
            url
            state
            weight
            inFlight
            maxInFlight
            health {
              circuit
              consecutiveFailures
              lastError
              observedAt
            }
          }
        }
      }
    }
    providers(first: 100, orderBy: { field: NAME }) {
      edges {
        node {
          id
          name
          description
          revision
          kind
          baseUrl
          state
          headerNames
          credentials {
            id
            hint
            health {
              circuit
              lastError
            }
          }
          models {
            id
            label
            upstreamModel
            pricing {
              inputPerMillion
              outputPerMillion
            }
            health {
              circuit
              lastError
              consecutiveFailures
            }
            routes(first: 5) {
              totalCount
              edges {
                node {
                  id
                  name
                }
              }
            }
          }
        }
      }
    }
  }
`)

export type DeploymentNode = ResultOf<typeof Backends>['deployments']['edges'][number]['node']
export type ProviderNode = ResultOf<typeof Backends>['providers']['edges'][number]['node']
