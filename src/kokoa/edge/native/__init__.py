"""Native REST routes: named GraphQL operations with a method and a path. Adding one is adding a `.graphql` file."""
