"""Where a cloud's region is: which places a demand may name that it lies in.

`eu` is the European Union, not the continent: London, Zurich and Oslo are no part of it, whatever the
cloud's own name for the region begins with. A region nobody lists lies in what its name begins with
(`us-east-1` in `us`), and in itself.

From docs.aws.amazon.com "AWS Regions", cloud.google.com "Regions and zones" and learn.microsoft.com "List
of Azure regions", read 2026-11-22.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

_LISTED: Final = {
    "eu": "europe-west1 europe-west3 europe-west4 europe-west8 europe-west9 europe-west10 europe-west12 "
    "europe-southwest1 europe-north1 europe-north2 europe-central2 "
    "westeurope northeurope francecentral francesouth germanywestcentral germanynorth swedencentral "
    "swedensouth polandcentral italynorth spaincentral austriaeast belgiumcentral denmarkeast",
    "uk": "eu-west-2 europe-west2 uksouth ukwest",
    "ch": "eu-central-2 europe-west6 switzerlandnorth switzerlandwest",
    "no": "norwayeast norwaywest",
    "us": "eastus eastus2 westus westus2 westus3 centralus northcentralus southcentralus westcentralus",
    "ca": "northamerica-northeast1 northamerica-northeast2 canadacentral canadaeast",
    "br": "sa-east-1 southamerica-east1 brazilsouth",
    "jp": "ap-northeast-1 ap-northeast-3 asia-northeast1 asia-northeast2 japaneast japanwest",
    "kr": "ap-northeast-2 asia-northeast3 koreacentral koreasouth",
    "sg": "ap-southeast-1 asia-southeast1 southeastasia",
    "in": "ap-south-1 ap-south-2 asia-south1 asia-south2 centralindia southindia westindia jioindiawest",
    "au": "ap-southeast-2 ap-southeast-4 australia-southeast1 australia-southeast2 australiaeast "
    "australiasoutheast australiacentral",
}

PLACE_OF: Final[Mapping[str, str]] = MappingProxyType(
    {region: place for place, regions in _LISTED.items() for region in regions.split()}
)
"""Region of a cloud → the country, or `eu`."""

_ASIA_PACIFIC: Final = frozenset({"jp", "kr", "sg", "in", "au"})


def lies_in(region: str, places: Collection[str]) -> bool:
    """Whether everything in `region` is in one of `places`: countries, `eu`, `apac`, or regions."""
    if region in places:
        return True
    place = PLACE_OF.get(region)
    if place is not None:
        return place in places or (place in _ASIA_PACIFIC and "apac" in places)
    if region in _ASIA_PACIFIC or region.startswith(("ap-", "asia-", "australia-")):
        return "apac" in places or any(region.startswith(f"{named}-") for named in places)
    return any(region.startswith(f"{named}-") for named in places)
