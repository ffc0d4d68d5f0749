// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {PlainToken} from "./HostileTokens.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice The steps of a job that is paid in a token.
abstract contract TokenTest is MarketTest {
    uint88 internal constant TOKEN_FEE = 20;
    uint256 internal constant TOKEN_PRICE = uint256(PRICE) + 3 * uint256(TOKEN_FEE);
    uint256 internal constant MINTED = 10 * TOKEN_PRICE;

    /// The operators take the token, and a data set is priced in it.
    function _pricedIn(address token) internal returns (IJobEscrow.JobRequest memory request) {
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            operators.acceptToken(token, TOKEN_FEE);
        }
        request = _over(_offeredIn(token));
        request.token = token;
    }

    function _offeredIn(address token) internal returns (IOfferRegistry.OfferUse memory use) {
        IOfferRegistry.Rules memory rules;
        rules.token = token;
        return _offeredUnder(SELLER, rules, EXACT);
    }

    /// The buyer has tokens, and the escrow may take what a job costs.
    function _given(PlainToken token, uint256 approved) internal {
        token.mint(BUYER, MINTED);
        vm.prank(BUYER);
        token.approve(address(escrow), approved);
    }

    function _createIn(IJobEscrow.JobRequest memory request)
        internal
        returns (bytes32 job, IJobEscrow.JobTerms memory terms)
    {
        terms = _terms(BUYER, request, TOKEN_PRICE);
        vm.prank(BUYER);
        job = escrow.createJob(request);
        _true(job == _job(terms), "named by its terms");
    }

    function _settledIn(IJobEscrow.JobRequest memory request, bytes32 payoutRoot)
        internal
        returns (bytes32 job, IJobEscrow.Outcome memory outcome)
    {
        IJobEscrow.JobTerms memory terms;
        (job, terms) = _createIn(request);
        _join(terms);
        _attest(terms, payoutRoot);
        outcome = _outcome(terms, payoutRoot);
        vm.prank(BUYER);
        escrow.accept(job, outcome);
    }

    function _refusedFunding(IJobEscrow.JobRequest memory request, bytes memory reason) internal {
        vm.expectRevert(reason);
        vm.prank(BUYER);
        escrow.createJob(request);
    }

    function _overdrawn() internal pure returns (bytes memory) {
        return abi.encodeWithSignature("Panic(uint256)", 0x11);
    }
}
