import { graphql } from '../api/graphql.ts'

export const UpdateProvider = graphql(`
  mutation UpdateProvider($input: ProviderUpdateInput!) {
    providerUpdate(input: $input) {
      userErrors {
        code
        message
      }
      applied
      provider {
        id
        revision
        name
        description
        baseUrl
        state
        headerNames
        models {
          id
          upstreamModel
        }
      }
    }
  }
`)
