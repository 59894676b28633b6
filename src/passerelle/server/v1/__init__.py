"""The dialect routes, a file per dialect. Each gives its part of the route table."""
