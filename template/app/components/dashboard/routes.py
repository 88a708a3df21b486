"""Your own pages and endpoints beside the dashboard's. They need its token, as all others do."""

from fastapi import APIRouter

# Put your routers here, for example one that has `prefix="/mine"`.
routers: list[APIRouter] = []
