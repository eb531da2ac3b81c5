import { graphql } from '../api/graphql.ts'

export const Deploy = graphql(`
  mutation Deploy($input: DeploymentCreateInput!) {
    deploymentCreate(input: $input) {
      userErrors {
        code
        message
      }
      warnings {
        message
      }
      route {
        id
        name
      }
    }
  }
`)

export const Replace = graphql(`
  mutation Replace($route: ID!, $old: ID!, $new: String!) {
    routeTargetReplace(
      input: { route: { id: $route }, target: { id: $old }, backend: { deployment: $new }, reason: "new version" }
    ) {
      userErrors {
        code
        message
      }
      route {
        id
        name
        revision
      }
    }
  }
`)

export const AddProvider = graphql(`
  mutation AddProvider($input: ProviderCreateInput!) {
    providerCreate(input: $input) {
      userErrors {
        code
        message
      }
      warnings {
        message
      }
      provider {
        id
        name
      }
    }
  }
`)

export const AddTarget = graphql(`
  mutation AddTarget($route: ID!, $provider: String!, $model: String!, $weight: Int!) {
    routeTargetAdd(
      input: {
        route: { id: $route }
        target: { backend: { providerModel: { provider: $provider, model: $model } }, weight: $weight }
      }
    ) {
      userErrors {
        code
        message
      }
      route {
        id
        name
        revision
      }
    }
  }
`)

export const Fallback = graphql(`
  mutation Fallback($route: ID!, $backend: ID!) {
    routeFallbackSet(input: { route: { id: $route }, fallback: { backends: [{ id: $backend }] } }) {
      userErrors {
        code
        message
      }
      route {
        id
        name
        revision
      }
    }
  }
`)

export const RouteForProvider = graphql(`
  mutation RouteForProvider($provider: String!, $model: String!, $name: String!) {
    providerRouteCreate(input: { provider: { name: $provider }, model: $model, name: $name }) {
      userErrors {
        code
        message
      }
      route {
        id
        name
      }
    }
  }
`)
