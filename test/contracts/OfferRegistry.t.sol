// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice What an offer commits to, and who may change it.
contract OfferRegistryTest is MarketTest {
    function test_anOfferIsFoundByItsCommitments() public {
        IOfferRegistry.OfferInput memory input = _input("data");
        bytes32 dataRoot = _commit(SELLER, input);
        vm.expectEmit();
        emit IOfferRegistry.OfferPublished(
            dataRoot,
            SELLER,
            _set(),
            input.schemaHash,
            7,
            2,
            input.nonce,
            input.ciphertextHashes,
            input.budgetMicroRho,
            input.terms,
            input.rules
        );
        vm.prank(SELLER);
        _true(offers.publish(input) == dataRoot, "named by its commitments");
        IOfferRegistry.Listing memory listing = offers.listing(SELLER, _set(), dataRoot);
        _eq(listing.budgetLeftMicroRho, EXACT, "budget");
        _eq(listing.termsTag, uint256(keccak256(abi.encode(input.terms))) >> 66, "terms");
        _true(listing.known && listing.active, "active");
        _true(!offers.listing(STRANGER, _set(), dataRoot).known, "nobody else's");
    }

    function test_theSameDataSetIsOfferedOnce() public {
        IOfferRegistry.OfferInput memory input = _input("data");
        vm.prank(SELLER);
        bytes32 dataRoot = offers.publish(input);
        bytes memory known = abi.encodeWithSelector(IOfferRegistry.DataSetKnown.selector, dataRoot);
        input.terms.price = 1;
        vm.expectRevert(known);
        vm.prank(SELLER);
        offers.publish(input);
        // Nor again after it was withdrawn.
        vm.prank(SELLER);
        offers.withdraw(_set(), dataRoot);
        vm.expectRevert(known);
        vm.prank(SELLER);
        offers.publish(input);
    }

    /// Who copies another's ciphertexts gets other commitments, and cannot keep the owner from offering them.
    function test_copiedCiphertextsDoNotTakeTheOwnersPlace() public {
        IOfferRegistry.OfferInput memory input = _input("data");
        vm.prank(STRANGER);
        bytes32 copy = offers.publish(input);
        vm.prank(SELLER);
        bytes32 original = offers.publish(input);
        _true(copy != original, "different commitments");
        _true(offers.listing(SELLER, _set(), original).active, "the owner's");
    }

    function test_aDataSetHasRowsAndColumns() public {
        IOfferRegistry.OfferInput memory input = _input("data");
        input.rows = 0;
        vm.expectRevert(abi.encodeWithSelector(IOfferRegistry.ShapeInvalid.selector, 0, 2));
        offers.publish(input);
        (input.rows, input.columns) = (7, 0);
        vm.expectRevert(abi.encodeWithSelector(IOfferRegistry.ShapeInvalid.selector, 7, 0));
        offers.publish(input);
    }

    /// Publishing does not look at the members, funding does.
    function test_anOfferToStrangersSellsNothing() public {
        IOfferRegistry.OfferInput memory input = _input("data");
        input.members[2] = STRANGER;
        vm.prank(SELLER);
        offers.publish(input);
        IOfferRegistry.OfferUse[] memory refs = new IOfferRegistry.OfferUse[](1);
        refs[0] = _use(SELLER, _commit(SELLER, input), input.terms);
        IJobEscrow.JobRequest memory request = _request(refs);
        request.members = input.members;
        vm.expectRevert(
            abi.encodeWithSelector(IOperatorRegistry.OperatorInactive.selector, STRANGER)
        );
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(request);
    }

    function test_onlyItsSellerChangesAnOffer() public {
        IOfferRegistry.OfferUse memory ref = _publish(1)[0];
        bytes memory unknown =
            abi.encodeWithSelector(IOfferRegistry.OfferUnknown.selector, STRANGER, ref.dataRoot);
        vm.expectRevert(unknown);
        vm.prank(STRANGER);
        offers.relist(_set(), ref.dataRoot, ref.terms, new IOfferRegistry.Rules[](0));
        vm.expectRevert(unknown);
        vm.prank(STRANGER);
        offers.withdraw(_set(), ref.dataRoot);

        vm.prank(SELLER);
        offers.withdraw(_set(), ref.dataRoot);
        vm.expectRevert(abi.encodeWithSelector(IOfferRegistry.OfferInactive.selector, ref.dataRoot));
        vm.prank(SELLER);
        offers.withdraw(_set(), ref.dataRoot);

        // Listed again, under new terms, with the same name.
        ref.terms.price = type(uint96).max;
        vm.expectEmit();
        emit IOfferRegistry.OfferRelisted(ref.dataRoot, ref.terms, new IOfferRegistry.Rules[](0));
        _relist(ref);
        IOfferRegistry.Listing memory listing = offers.listing(SELLER, _set(), ref.dataRoot);
        _true(listing.active, "active again");
        _eq(listing.termsTag, uint256(keccak256(abi.encode(ref.terms))) >> 66, "terms");
    }

    /// Each value that a seller gives, and where it is given, changes the commitment.
    function testFuzz_everyValueIsBound(
        bytes32 nonce,
        bytes32 schemaHash,
        uint32 rows,
        uint16 columns,
        bytes32 ciphertextHash,
        address seller
    ) public {
        vm.assume(rows != 0 && columns != 0 && seller != address(0));
        IOfferRegistry.OfferInput memory input = _input("data");
        (input.nonce, input.schemaHash, input.rows, input.columns) = (nonce, schemaHash, rows, columns);
        input.ciphertextHashes[1] = ciphertextHash;
        bytes32 dataRoot = _commit(seller, input);
        vm.prank(seller);
        offers.publish(input);
        _true(offers.listing(seller, _set(), dataRoot).known, "found by the commitment");

        input.nonce ^= bytes32(uint256(1));
        _true(_commit(seller, input) != dataRoot, "nonce");
        input.nonce = nonce;
        input.schemaHash ^= bytes32(uint256(1));
        _true(_commit(seller, input) != dataRoot, "schema");
        input.schemaHash = schemaHash;
        input.rows ^= 1;
        _true(_commit(seller, input) != dataRoot, "rows");
        input.rows = rows;
        input.columns ^= 1;
        _true(_commit(seller, input) != dataRoot, "columns");
        input.columns = columns;
        (input.ciphertextHashes[0], input.ciphertextHashes[2]) =
            (input.ciphertextHashes[2], input.ciphertextHashes[0]);
        _true(_commit(seller, input) != dataRoot, "order of the points");
    }
}
