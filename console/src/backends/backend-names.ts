import { graphql, type ResultOf } from '../api/graphql.ts'

export const BackendNames = graphql(`
  query BackendNames {
    deployments(first: 100, orderBy: { field: NAME }) {
      edges {
        node {
          id
          label
        }
      }
    }
    providers(first: 100, orderBy: { field: NAME }) {
      edges {
        node {
          id
          models {
            id
            label
          }
        }
      }
    }
  }
`)

/** Everything that a route can send requests to: of 100 deployments and 100 providers. */
export function backendsOf({
  deployments,
  providers,
}: ResultOf<typeof BackendNames>): readonly { id: string; label: string }[] {
  return [...deployments.edges.map(({ node }) => node), ...providers.edges.flatMap(({ node }) => node.models)]
}
